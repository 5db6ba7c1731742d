"""Recognise columns that repeat the times: the end of each step, local time, seconds since the start, the hour."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ape.series.reading.calendar_columns import part_named
from ape.series.reading.names import SURE_TIMES, TIME_WORD, key_of
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.table import is_text
from ape.series.reading.time_cells import looks_like_time
from ape.series.reading.times import Times

SAMPLE = 20  # cells
MOSTLY = 0.7  # of the cells of the sample
LINEAR = 0.01  # of the range: how far a second column of times may be from the times


def look_like_times(cells: pa.ChunkedArray) -> bool:
    """Whether most cells of a column of text contain times."""
    if not is_text(cells):
        return False
    parts = (cells.slice(0, SAMPLE), cells.slice(len(cells) // 2, SAMPLE))
    sample = [cell for part in parts for cell in part.to_pylist() if cell is not None]
    return bool(sample) and sum(map(looks_like_time, sample)) > MOSTLY * len(sample)


def repeats_times(name: str, cells: pa.ChunkedArray, times: Times | None) -> str | None:
    """Return what a column beside the times is, if it repeats them; None for other columns.

    Parameters
    ----------
    name : str
    cells : ChunkedArray [n]
    times : Times [n] or None
    """
    key = key_of(name)
    if pa.types.is_temporal(cells.type) or (times is not None and look_like_times(cells)):
        return "another column of times"
    named = key in SURE_TIMES
    dated = times is not None and times.stamps.dtype.kind == "M"
    part = part_named(name)
    if not named and TIME_WORD.search(name) is None and part is None:
        return None
    numbers = plain_numbers(cells)
    if numbers is None or len(numbers) < 2:
        return None
    if named and (np.diff(numbers) > 0).all():
        return "another column of times"
    if times is None:
        return "a part of dates" if part is not None and part.holds(numbers) else None
    if part is not None:
        return "a part of the times" if dated and part.equals(numbers, times) else None
    return "another column of times" if _is_linear(numbers, times.stamps) else None


def _is_linear(numbers: np.ndarray, stamps: np.ndarray) -> bool:
    """Whether numbers rise with the times."""
    scaled = []
    for values in (numbers.astype(np.float64), (stamps - stamps[0]) / np.timedelta64(1, "s")):
        low, high = values.min(), values.max()
        if low == high:
            return False
        scaled.append((values - low) / (high - low))
    return bool(np.abs(scaled[0] - scaled[1]).max() < LINEAR)
