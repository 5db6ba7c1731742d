"""Recognise cells that mean a missing value, and values that may."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

WORDS = (
    "", "-", "--", "---", "----", "\u2013", "\u2014", "na", "n/a", "n.a.", "#n/a", "#na", "#nv", "nan", "-nan", "+nan",
    "null", "none", "nil", "\\n", "?", ".", "..", "...", "*", "<na>", "nat", "missing", "no data", "nodata", "n/v",
    "k.a.", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "#wert!", "#bezug!", "-nan(ind)", "nan(ind)",
    "1.#qnan", "1.#ind", "-1.#ind", "(null)", "undefined", "unavailable", "unknown",
    "not available",
)  # fmt: skip
FAR = 3.0  # spreads of the other values: how far a value that recurs is from them, if it may mean missing
LARGEST = 1e30  # no measurement is larger
FEWEST_LEVELS = 3  # of the other values: with fewer, the column has levels such as on and off


def means_missing(cell: str) -> bool:
    """Whether a cell means that a value is missing."""
    return cell.strip().lower() in WORDS


def cleaned(cells: pa.ChunkedArray, missing: tuple[str, ...] = ()) -> pa.ChunkedArray:
    """Return text cells without surrounding spaces; null where a value is missing."""
    text = pc.utf8_trim_whitespace(cells)
    words = pa.array([*WORDS, *(word.strip().lower() for word in missing)])
    return pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=words), pa.scalar(None, pa.string()), text)


def without(values: np.ndarray, missing: tuple[str, ...]) -> np.ndarray:
    """Return values with NaN for the numbers among the words, however the cells write them."""
    numbers = [number for word in missing if (number := _number(word)) is not None]
    return np.where(np.isin(values, numbers), np.nan, values) if numbers else values


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def recurring_extreme(values: np.ndarray) -> tuple[float, int] | None:
    """Return the lowest or highest value and its count, if it recurs far outside all others, as -999 does.

    The other values have at least three levels, unless no measurement is as large.
    """
    present = values[np.isfinite(values)]
    if len(present) == 0:
        return None
    for extreme in (present.min(), present.max()):
        others = present[present != extreme]
        count = len(present) - len(others)
        if count < 2 or len(others) <= count:
            continue
        low, high = others.min(), others.max()
        far = max(low - extreme, extreme - high) > FAR * float(max(high - low, abs(extreme) * 1e-9))
        if far and (abs(extreme) > LARGEST or len(np.unique(others)) >= FEWEST_LEVELS):
            return float(extreme), count
    return None
