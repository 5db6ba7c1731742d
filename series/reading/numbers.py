"""Turn columns into float64."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.decimal_mark import choose_decimal, find_marks
from ape.series.reading.missing import cleaned, without
from ape.series.reading.number_cells import BODY, TRUTH, grouped, mostly_numbers, plainly_written, split_units
from ape.series.reading.table import is_text

VALID = r"^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity|nan))$"
MOST_UNITS = 4  # of a column: cells with more are text
EXACT = 2.0**53  # float64 represents all integers up to it


@dataclass(frozen=True)
class Numbers:
    """A column as numbers.

    Parameters
    ----------
    values : ndarray, float64 [n]
        NaN where a value is missing.
    bad : ndarray, bool [n]
        Cells that are no numbers.
    exact : ndarray, int64 or uint64 [n], or None
        The integers, if float64 does not represent all of them.
    notes : tuple of str
    units : tuple of str
        Units of the cells, if they differ.
    """

    values: np.ndarray
    bad: np.ndarray
    exact: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def without(self, missing: tuple[str, ...]) -> Numbers:
        """Return the numbers without those that mean missing."""
        if not missing:
            return self
        values = without(self.values, missing)
        return (
            self if np.isnan(values).sum() == np.isnan(self.values).sum() else replace(self, values=values, exact=None)
        )


def no_numbers(cells: pa.ChunkedArray) -> Numbers:
    """Return a column of text: no cell that is present is a number."""
    return Numbers(np.full(len(cells), np.nan), cells.is_valid().to_numpy())


def read_numbers(text: pa.ChunkedArray, decimal: str = ".") -> Numbers:
    """Read cleaned and plainly written cells as numbers.

    Parameters
    ----------
    text : ChunkedArray of string
    decimal : str
        ``"."`` or ``","``.
    """
    if decimal == ".":
        try:
            return _from_plain(text)
        except pa.ArrowInvalid:
            pass
    text, notes, units = _without_unit(text)
    plain = text
    other = "," if decimal == "." else "."
    in_groups = pc.match_substring_regex(plain, grouped(other))
    plain = pc.if_else(in_groups, pc.replace_substring(plain, other, ""), plain)
    wrong = pc.match_substring(plain, other)
    plain = pc.if_else(wrong, pa.scalar("text"), plain)
    if decimal == ",":
        plain = pc.replace_substring(plain, ",", ".")
    lower = pc.utf8_lower(plain)
    for word, digit in TRUTH.items():
        plain = pc.if_else(pc.equal(lower, word), pa.scalar(digit), plain)
    valid = pc.match_substring_regex(plain, VALID)
    plain = pc.if_else(valid, plain, pa.scalar(None, pa.string()))
    bad = pc.and_(pc.is_null(plain), pc.is_valid(text)).to_numpy()
    return replace(_from_plain(plain), bad=bad, notes=notes, units=units)


def typed_numbers(cells: pa.ChunkedArray) -> Numbers:
    """Return the numbers of a column that has a type; cells of types such as lists are no numbers."""
    kind = cells.type
    if any(f(kind) for f in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        return Numbers(
            values, np.zeros(len(values), bool), _exact(values, cells) if pa.types.is_integer(kind) else None
        )
    return no_numbers(cells)


def plain_numbers(
    cells: pa.ChunkedArray, separator: str | None = None, decimal: str | None = None
) -> np.ndarray | None:
    """Return a column as int64 or float64; None if a cell is missing, or no number."""
    if not is_text(cells):
        is_number = pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type)
        return cells.to_numpy() if is_number and not cells.null_count else None
    text = cleaned(cells)
    if text.null_count or not mostly_numbers(text):
        return None
    for kind in (pa.int64(), pa.float64()):
        try:
            values = pc.cast(text, kind).to_numpy()
        except pa.ArrowInvalid:
            continue
        return values if np.isfinite(values).all() else None
    text = plainly_written(text)
    try:
        decimals, _ = choose_decimal({"": find_marks(text)}, separator, decimal, "")
    except InputError:
        return None
    result = read_numbers(text, decimals[""])
    return None if result.bad.any() or result.units else result.values


def _from_plain(text: pa.ChunkedArray) -> Numbers:
    """Return the numbers of cells such as -1.5e3; each is one, or null."""
    values = pc.cast(text, pa.float64()).to_numpy().astype(np.float64, copy=False)
    return Numbers(values, np.zeros(len(values), bool), _exact(values, text))


def _exact(values: np.ndarray, cells: pa.ChunkedArray) -> np.ndarray | None:
    """Return the integers of cells if none is missing and float64 does not represent all of them."""
    if not len(values) or not np.isfinite(values).all() or np.abs(values).max() < EXACT:
        return None
    for kind in (pa.int64(), pa.uint64()):
        try:
            return pc.cast(cells, kind).to_numpy()
        except pa.ArrowInvalid:
            continue
    return None


def _without_unit(text: pa.ChunkedArray) -> tuple[pa.ChunkedArray, tuple[str, ...], tuple[str, ...]]:
    """Remove the one unit of all cells, and return the units if there are several; zero needs no unit."""
    number, units = split_units(text)
    if not units:
        return text, (), ()
    bare = text.filter(pc.fill_null(pc.and_(pc.is_null(number), pc.match_substring_regex(text, rf"^{BODY}$")), False))
    if not pc.all(pc.match_substring_regex(bare, r"^[+-]?0*[.,]?0*$"), min_count=0).as_py():
        units.append("")
    if len(units) == 1:
        # A missing value may have the unit too.
        end = rf"\s*[\[(]?{re.escape(units[0])}[\])]?$"
        rest = pc.if_else(pc.ends_with(text, units[0]), cleaned(pc.replace_substring_regex(text, end, "")), text)
        return pc.coalesce(number, rest), (f"the unit '{units[0]}' was removed from the cells",), ()
    return text, (), tuple(units)
