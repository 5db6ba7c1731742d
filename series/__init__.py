"""One ``Series`` type, its loaders and checks, windows, and the plain numerics that several rooms share."""

from ape.core.errors import InputError
from ape.series.loaders import from_array, from_dataframe, load
from ape.series.series import Series

__all__ = ["InputError", "Series", "from_array", "from_dataframe", "load"]
