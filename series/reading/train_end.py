"""Resolve the end of the training part: a row of the file, a date on its clock, or a percentage."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.options import ReadOptions
from ape.series.reading.time_cells import looks_like_time, read_times
from ape.series.reading.times import Times, Unreadable

LONGEST_ROW = 20  # characters
PERCENT = re.compile(r"^(\d+(?:\.\d+)?)\s*%$")


def is_train_end(word: str) -> bool:
    """Whether a word is a row, a percentage, or a date."""
    return word.isdecimal() or PERCENT.match(word) is not None or looks_like_time(word)


def resolve_train_end(
    given: int | str | None,
    length: int,
    times: Times | None,
    clock: np.ndarray | None,
    point_of_row: np.ndarray | None,
    where: str,
    dayfirst: bool | None = None,
) -> int | None:
    """Return the first point after the training part.

    Parameters
    ----------
    given : int or str, optional
        A row of the file (counted from 0), a date, or a percentage.
    length : int
        Number of points.
    times : Times, optional
    clock : ndarray, datetime64 [T], optional
        Times on the clock of the file.
    point_of_row : ndarray, int64, optional
    where : str
    dayfirst : bool, optional

    Raises
    ------
    InputError
        It is none of these, or the date is outside the series.
    """
    if given is None or isinstance(given, int | np.integer):
        return None if given is None else _point(int(given), point_of_row, length)
    word = given.strip()
    if re.fullmatch(r"[+-]?\d+", word) and not (clock is not None and re.fullmatch(r"(?:19|20)\d{6}", word)):
        if len(word) > LONGEST_ROW:
            raise InputError(f"train_end {word[:40]} is out of range", where, "give a row of the series")
        return _point(int(word), point_of_row, length)
    if match := PERCENT.match(word):
        share = float(match[1])
        if not 0 < share <= 100:
            raise InputError(f"train_end {word} is out of range", where, "give a percentage up to 100%")
        return round(share / 100 * length)
    return _point_of_date(word, times, clock, where, dayfirst)


def _point(row: int, point_of_row: np.ndarray | None, length: int) -> int:
    """Return the point of a row; rows before it may have become more or fewer points."""
    if point_of_row is None or not 0 <= row <= len(point_of_row):
        return row
    if row == len(point_of_row):
        return length
    before = np.zeros(length, dtype=bool)
    before[point_of_row[:row]] = True
    if not before.any():
        return row
    ordered = bool((np.diff(point_of_row) >= 0).all())
    return int(point_of_row[row]) if ordered else int(before.sum())


def _point_of_date(word: str, times: Times | None, clock: np.ndarray | None, where: str, dayfirst: bool | None) -> int:
    if clock is None:
        hint = "give a position or a percentage" if re.search(r"\d[-./:]\d", word) else "give a position, a date or 60%"
        raise InputError(f"train_end '{word[:40]}' needs a series with dates", where, hint)
    try:
        text = pa.chunked_array([pa.array([word])])
        options = ReadOptions(dayfirst=dayfirst)
        if re.fullmatch(r"\d{8}", word):
            text = pa.chunked_array([pa.array([f"{word[:4]}-{word[4:6]}-{word[6:]}"])])
        parsed = read_times(text, options, "--train-end")
    except Unreadable as error:
        raise InputError(
            f"train_end '{word[:40]}' is no position, date or percentage", where, "give 20000, 2024-01-31 or 60%"
        ) from error
    if parsed.stamps.dtype.kind != "M":
        raise InputError(f"train_end '{word[:40]}' has no date", where, "give a date such as '2024-01-31 12:00'")
    date = parsed.stamps[0]
    if parsed.zone is not None:
        if times is None or times.zone is None:
            raise InputError(f"train_end '{word[:40]}' has a zone and the series has none", where, "leave it out")
        at = int(np.searchsorted(times.stamps, date))
    else:
        later = np.flatnonzero(clock >= date)
        at = int(later[0]) if len(later) else len(clock)
    if at == 0 or (at == len(clock) and date > clock[-1] + 2 * np.median(np.diff(clock))):
        first, last = clock[[0, -1]].astype("datetime64[s]")
        zone = "" if times is None or times.zone is None else f", {times.zone}"
        raise InputError(
            f"train_end {word} is outside the series, which is from {first} to {last}{zone}", where, "give a date in it"
        )
    return at
