"""Time series: the ``Series`` type, loaders, input checks, windows, and shared numerics."""

from ape.core.errors import InputError
from ape.series.loaders import from_array, from_dataframe, load
from ape.series.reading.options import ReadOptions
from ape.series.requirements import Requirements, aligned
from ape.series.series import Series

__all__ = ["InputError", "ReadOptions", "Requirements", "Series", "aligned", "from_array", "from_dataframe", "load"]
