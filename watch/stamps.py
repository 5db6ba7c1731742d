"""Read times in a format that is known, each for itself: a time does not depend on those that came with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series import ReadOptions
from ape.series.reading.elapsed_times import elapsed_numbers, elapsed_with_unit
from ape.series.reading.missing import cleaned
from ape.series.reading.table import Table
from ape.series.reading.time_cells import read_times
from ape.series.reading.time_columns import find_times
from ape.series.reading.time_numbers import numbers_as
from ape.series.reading.times import Times, Unreadable

CONTEXT = 4  # rows that others are read with: the first one tells the pattern
SECOND = 1_000_000_000  # nanoseconds
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
TIME_OF_DAY = "elapsed time of day"
ELAPSED = "elapsed "
NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class TimeFormat:
    """How times are written.

    Parameters
    ----------
    columns : tuple of str
    kind : str
        Whether they are numbers, numbers with a unit, text of one column, or in several columns.
    form : str
        `Times.format`.
    cells : tuple of tuple of str
        The first cells of each column, which the others are read with.
    options : ReadOptions
    zone : str or None
        The zone of times that name none.
    dated : bool
        Whether they have a date.
    """

    columns: tuple[str, ...]
    kind: Literal["numbers", "units", "text", "columns"]
    form: str
    cells: tuple[tuple[str, ...], ...]
    options: ReadOptions
    zone: str | None
    dated: bool


def time_format(
    columns: Mapping[str, pa.ChunkedArray], options: ReadOptions, table: Table, zone: str | None, where: str
) -> TimeFormat | None:
    """Find the times of the first rows and how they are written; None without times.

    Raises
    ------
    InputError
        They can be read in several ways, or a zone has several meanings.
    """
    plain = replace(options, timezone=None)
    try:
        times, used, _ = find_times(dict(columns), plain, table, where)
    except InputError:  # an abbreviation, whose meaning the zone tells
        plain = options
        times, used, _ = find_times(dict(columns), plain, table, where)
    if times is None:
        return None
    if times.format in ("day first", "month first"):
        plain = replace(plain, dayfirst=times.format == "day first")
    cells = tuple(tuple(map(str, columns[name].slice(0, CONTEXT).to_pylist())) for name in used)
    local = zone if times.zone is None and plain.timezone is None else None
    dated = times.stamps.dtype.kind == "M"
    several = TimeFormat(tuple(used), "columns", times.format, cells, plain, local, dated)
    if len(used) > 1:
        return several
    given = {used[0]: columns[used[0]].to_pylist()}
    for kind in ("numbers", "units", "text"):
        form = replace(several, kind=kind)
        try:
            if np.array_equal(_read(given, form).stamps, times.stamps):
                return form
        except (Unreadable, InputError, pa.ArrowInvalid, ValueError):
            continue
    return several


def read_stamps(cells: Mapping[str, Sequence[str]], form: TimeFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the times of rows.

    Parameters
    ----------
    cells : dict of sequence of str [n]
        The columns of ``form``.
    form : TimeFormat

    Returns
    -------
    stamps : ndarray, int64 [n]
        Nanoseconds; of UTC if the times name a zone, otherwise on their own clock.
    good : ndarray, bool [n]
        Whether each time is readable.
    offsets : ndarray, int64 [n]
        Nanoseconds that the clock of the input is ahead of UTC.
    """
    count = len(next(iter(cells.values())))
    stamps, offsets, good = (np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, bool))
    filled = [k for k in range(count) if all(cells[name][k].strip() for name in form.columns)]
    waiting = [filled] if filled else []
    while waiting:
        rows = waiting.pop()
        try:
            times = _read({name: [cells[name][k] for k in rows] for name in form.columns}, form)
        except (Unreadable, InputError, pa.ArrowInvalid, ValueError, OverflowError):
            times = None
        if times is not None and times.stamps.dtype.name.endswith("[ns]"):
            stamps[rows], good[rows] = times.stamps.astype(np.int64), True
            if times.clock_offset is not None:
                offsets[rows] = times.clock_offset.astype(np.int64) * SECOND
        elif len(rows) > 1:  # one time that is unreadable, or centuries away, spoils no other
            waiting += [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    return stamps, good, offsets


def in_local_zone(stamps: np.ndarray, zone: str, last: int | None, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn times on the clock of a zone into UTC.

    A time in the hour that autumn repeats is the one of the two that is nearer to where the row before leads. A time
    in the hour that spring leaves out is none.

    Parameters
    ----------
    stamps : ndarray, int64 [n]
        Nanoseconds on the clock.
    zone : str
    last : int or None
        UTC of the row before the first.
    step : int
        Nanoseconds from row to row.

    Returns
    -------
    utc : ndarray, int64 [n]
    good : ndarray, bool [n]
    """
    clock = pd.DatetimeIndex(stamps.astype("datetime64[ns]"))
    summer, winter = (
        clock.tz_localize(zone, ambiguous=np.full(len(clock), early), nonexistent="NaT") for early in (True, False)
    )
    good = ~np.asarray(summer.isna())
    first, second = (np.asarray(each.asi8) for each in (summer, winter))
    utc = first.copy()
    for k in np.flatnonzero(good & (first != second)):
        before = utc[:k][good[:k]]
        expected = (int(before[-1]) if len(before) else last if last is not None else int(first[k]) - step) + step
        utc[k] = first[k] if abs(first[k] - expected) <= abs(second[k] - expected) else second[k]
    return utc, good


def with_midnights(stamps: np.ndarray, last: int | None) -> np.ndarray:
    """Return times of day with the days since the first one: where they fall by more than half a day, one has passed.

    Parameters
    ----------
    stamps : ndarray, int64 [n]
    last : int or None
        The row before the first, with its days.
    """
    of_day = stamps % DAY
    before = of_day[:1] if last is None else np.array([last % DAY])
    steps = np.diff(np.concatenate([before, of_day]))
    days = np.cumsum((steps < -DAY // 2).astype(np.int64) - (steps > DAY // 2))
    return of_day + (days + (0 if last is None else last // DAY)) * DAY


def _read(cells: Mapping[str, Sequence[str]], form: TimeFormat) -> Times:
    """Read the times of rows; refuse them all if one is unreadable."""
    texts = {name: pa.chunked_array([pa.array(cells[name], pa.string())]) for name in form.columns}
    only = texts[form.columns[0]]
    if form.kind == "numbers":
        return _of_numbers(only, form.form)
    if form.kind == "units":
        times = elapsed_with_unit(only)
        if times is None or times.format != form.form:
            raise Unreadable(0)
        return times
    count = len(form.cells[0])
    before = {name: pa.array(head, pa.string()) for name, head in zip(form.columns, form.cells, strict=True)}
    both = {name: pa.chunked_array([before[name], *texts[name].chunks]).combine_chunks() for name in form.columns}
    columns = {name: pa.chunked_array([column]) for name, column in both.items()}
    if form.kind == "text":
        times = read_times(columns[form.columns[0]], form.options, "the input")
    else:
        found, used, _ = find_times(columns, form.options, Table(columns, ""), "the input")
        if found is None or set(used) != set(form.columns):
            raise Unreadable(0)
        times = found
    if times.format != form.form:
        raise Unreadable(0)
    return times.take(np.arange(count, len(times.stamps)))


def _of_numbers(text: pa.ChunkedArray, form: str) -> Times:
    """Return the times of numbers; integers keep all their digits."""
    text = cleaned(text)
    if text.null_count:
        raise Unreadable(0)
    try:
        numbers = pc.cast(text, pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        numbers = pc.cast(text, pa.float64()).to_numpy()
        if pc.any(pc.match_substring_regex(text, r"^\d+$")).as_py() and len(text) > 1:
            raise Unreadable(0) from None  # integers and others are read apart
        if not np.isfinite(numbers).all():
            raise Unreadable(0) from None
    times = (
        elapsed_numbers(numbers, form.removeprefix(ELAPSED)) if form.startswith(ELAPSED) else numbers_as(numbers, form)
    )
    if times is None:
        raise Unreadable(0)
    return times
