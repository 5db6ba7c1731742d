"""Positions from times as people write them, on the clock of the series."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa

from ape.series.reading.options import ReadOptions
from ape.series.reading.time_cells import looks_like_date, read_times
from ape.series.reading.times import Unreadable
from ape.series.series import Series
from ape.tools.workbench import Workbench, time_without_fraction

MONTH = re.compile(r"^\d{4}[-/]\d{1,2}$")


def position_of(workbench: Workbench, moment: int | str, *, ends: bool = False) -> int:
    """Return the first position of the training part at or after a moment, see `position_in`."""
    return position_in(workbench.series, moment, ends=ends, part="the training part")


def position_in(series: Series, moment: int | str, *, ends: bool = False, part: str = "the series") -> int:
    """Return the first position of a series at or after a moment.

    Parameters
    ----------
    series : Series
    moment : int or str
        A position, or a time. A time without a zone is on the clock of the series.
    ends : bool
        The moment is the end of a stretch: return the position after the last one that belongs to it. A day or a month
        belongs to the stretch as a whole.
    part : str
        What the series is, for people.

    Raises
    ------
    ValueError
        The text is no time, the series has no such times, or the moment is outside of them.
    """
    if isinstance(moment, int) or moment.strip().isdecimal():
        return int(moment)
    word, example = moment.strip(), time_without_fraction(series, 0)
    clock = series.clock if series.elapsed is None else series.elapsed
    if clock is None:
        msg = f"the series has no times, so '{word}' cannot be found: give positions"
        raise ValueError(msg)
    try:
        parsed = read_times(pa.chunked_array([pa.array([word])]), ReadOptions(), "the request")
    except Unreadable as error:
        msg = f"'{word}' is no time: give one such as {example}, or a position"
        raise ValueError(msg) from error
    if parsed.stamps.dtype.kind != clock.dtype.kind:
        msg = f"'{word}' has {'no' if series.elapsed is None else 'a'} date: give a time such as {example}"
        raise ValueError(msg)
    if parsed.zone is not None and series.zone is None:
        msg = f"'{word}' has a zone and the series has none: leave it out"
        raise ValueError(msg)
    stamps = clock if parsed.zone is None or series.timestamps is None else series.timestamps
    first, after = _extent(parsed.stamps[0], word)
    if first > stamps[-1] or after <= stamps[0]:
        msg = f"{word} is outside {part}, {example} to {time_without_fraction(series, len(stamps) - 1)}"
        raise ValueError(msg)
    later = stamps >= (after if ends else first)
    return int(later.argmax()) if later.any() else len(stamps)


def _extent(stamp: Any, word: str) -> tuple[Any, Any]:
    """Return the begin of a moment and what follows it: a day and a month last, a time belongs to its stretch."""
    if MONTH.match(word):
        return stamp, (stamp.astype("datetime64[M]") + 1).astype(stamp.dtype)
    return stamp, stamp + (np.timedelta64(1, "D") if looks_like_date(word) else np.timedelta64(1, "us"))
