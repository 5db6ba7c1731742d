"""Read numbers in a format that is known, each for itself: a number does not depend on those that came with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.missing import cleaned, without
from ape.series.reading.number_cells import WITH_PREFIX, WITH_UNIT, fields, plainly_written
from ape.series.reading.numbers import read_numbers

PLAIN_COMMA = r"^[+-]?\d*,?\d+(?:[eE][+-]?\d+)?$"


def read_values(
    cells: Sequence[str], decimal: str, missing: tuple[str, ...], unit: str | None
) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Read the cells of a channel.

    Parameters
    ----------
    cells : sequence of str [m]
    decimal : str
        ``"."`` or ``","``.
    missing : tuple of str
        Words and numbers that mean a missing value.
    unit : str or None
        The first unit of earlier cells: a cell with another one is no number.

    Returns
    -------
    values : ndarray, float64 [m]
        NaN where a value is missing.
    bad : ndarray, bool [m]
        Cells that are no numbers.
    unit : str or None
        The first unit of these and earlier cells.
    """
    text = cleaned(pa.chunked_array([pa.array(cells, pa.string())]), missing)
    bad = np.zeros(len(text), dtype=bool)
    try:
        values = _plain(text, decimal)
    except pa.ArrowInvalid:
        text, other, unit = _without_units(plainly_written(text), unit)
        numbers = read_numbers(text, decimal)
        values, bad = numbers.values, other | numbers.bad
    return without(np.array(values, dtype=np.float64), missing), bad, unit


def _plain(text: pa.ChunkedArray, decimal: str) -> np.ndarray:
    """Return the numbers of cells that are all written plainly."""
    if decimal == ",":
        if not pc.all(pc.fill_null(pc.match_substring_regex(text, PLAIN_COMMA), True)).as_py():
            raise pa.ArrowInvalid
        text = pc.replace_substring(text, ",", ".")
    return pc.cast(text, pa.float64()).to_numpy()


def _without_units(text: pa.ChunkedArray, usual: str | None) -> tuple[pa.ChunkedArray, np.ndarray, str | None]:
    """Return cells without the usual unit, which cells have another one, bool [m], and the usual unit."""
    number = unit = pa.chunked_array([pa.nulls(len(text), pa.string())])
    for pattern in (WITH_UNIT, WITH_PREFIX):
        parts = fields(text, pattern)
        number, unit = pc.coalesce(number, parts["number"]), pc.coalesce(unit, parts["unit"])
    worded = pc.fill_null(pc.match_substring_regex(text, r"[^\d.,+\-eE]"), False)  # 1e5 has no unit
    has_unit = pc.and_(worded, pc.is_valid(number))
    other = np.zeros(len(text), dtype=bool)
    for k in np.flatnonzero(has_unit.to_numpy()):
        written = unit[k].as_py().strip().strip("[]()")
        usual = written if usual is None else usual
        other[k] = written != usual
    text = pc.if_else(has_unit, number, text)
    return pc.if_else(pa.array(other), pa.scalar(None, pa.string()), text), other, usual
