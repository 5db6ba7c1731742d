"""Read times without a date: elapsed times such as 1:05:00 or 65 s, and times of day."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.clock import clock_seconds, integers, nanoseconds, required_fields
from ape.series.reading.names import counted
from ape.series.reading.table import is_text
from ape.series.reading.times import DAY, Times, Unreadable

ELAPSED = (
    r"^(?P<sign>-?)(?:(?P<days>\d+)(?: days?,?|d|\.)? ?)??(?P<hours>\d{1,6}):(?P<minutes>\d{2})"
    r"(?::(?P<seconds>\d{2}))?(?:[.,](?P<fraction>\d{1,9}))?$"
)
DURATION = (
    r"^P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?"
    r"(?:(?P<seconds>\d+)(?:[.,](?P<fraction>\d{1,9}))?S)?)?$"
)

ELAPSED_UNITS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0,
    "seconds": 1.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0,
    "hour": 3600.0, "hours": 3600.0, "day": 86400.0, "days": 86400.0, "d": 86400.0,
}  # fmt: skip
ELAPSED_NAME = re.compile(
    r"^(?:(?:time|timestamp|t|elapsed|elapsed time|zeit)[\s_(\[]+(\w+)[)\]]?|(seconds?|minutes?|hours?|days?|ms))$",
    re.IGNORECASE,
)
WITH_UNIT = re.compile(r"^\s*(-?\d+(?:\.\d+)?) ?([A-Za-z]+)\s*$")


def read_elapsed(text: pa.ChunkedArray) -> Times:
    """Read times such as 1:05:00, 2 days 01:05:00 or, with a fraction only, minutes and seconds such as 65:00.5."""
    fields = required_fields(text, ELAPSED)
    first, second = integers(fields["hours"]), integers(fields["minutes"])
    without_third = pc.equal(fields["seconds"], "").to_numpy()
    if without_third.any() and not without_third.all():
        raise Unreadable(int(np.flatnonzero(without_third)[0]))
    if without_third.any() and pc.any(pc.not_equal(fields["fraction"], "")).as_py():
        form, seconds = "minutes:seconds", first * 60 + second
    else:
        form = "hours:minutes" if without_third.any() else "hours:minutes:seconds"
        seconds = first * 3600 + second * 60 + integers(fields["seconds"])
    stamps = (seconds + integers(fields["days"]) * DAY) * 1_000_000_000 + nanoseconds(fields["fraction"])
    stamps = np.where(pc.equal(fields["sign"], "-").to_numpy(), -stamps, stamps)
    if pc.all(pc.not_equal(fields["days"], "")).as_py():  # no times of day
        return Times(stamps.astype("timedelta64[ns]"), f"elapsed {form}")
    return _since_start(stamps, form)


def read_durations(text: pa.ChunkedArray) -> Times:
    """Read durations of ISO 8601 such as P1DT5M."""
    fields = required_fields(text, DURATION)
    units = {"days": DAY, "hours": 3600, "minutes": 60, "seconds": 1}
    seconds = sum((integers(fields[name]) * size for name, size in units.items()), np.zeros(len(text), np.int64))
    stamps = seconds * 1_000_000_000 + nanoseconds(fields["fraction"])
    return Times(stamps.astype("timedelta64[ns]"), "elapsed ISO 8601")


def read_times_of_day(text: pa.ChunkedArray, pattern: str) -> Times:
    """Read times of day; the day changes where they start again."""
    seconds, fraction = clock_seconds(required_fields(text, pattern))
    return _since_start(seconds * 1_000_000_000 + fraction, "time of day")


def _since_start(stamps: np.ndarray, form: str) -> Times:
    """Return elapsed times from nanoseconds; where they fall by more than half a day, a midnight was passed."""
    day = DAY * 1_000_000_000
    falls = np.diff(stamps) < 0
    notes: tuple[str, ...] = ()
    if stamps.max() < day and falls.any() and (np.diff(stamps)[falls] < -day // 2).all():
        stamps = stamps + day * np.concatenate([[0], np.cumsum(falls)])
        notes = (f"times of day without a date: {counted(int(falls.sum()), 'midnight')} passed",)
    return Times(stamps.astype("timedelta64[ns]"), f"elapsed {form}", notes=notes)


def elapsed_unit(name: str) -> str | None:
    """Return the unit in the name of a column such as ``Time (s)`` or ``minutes``."""
    match = ELAPSED_NAME.match(name)
    return None if match is None else match[1] or match[2]


def elapsed_with_unit(cells: pa.ChunkedArray) -> Times | None:
    """Return cells such as ``5 min`` as elapsed times; None unless all have the same unit."""
    if not is_text(cells) or not len(cells) or not (match := WITH_UNIT.match(str(cells[0]))):
        return None
    unit = match[2]
    if unit.lower() not in ELAPSED_UNITS:
        return None
    text = pc.utf8_trim_whitespace(cells)
    if not pc.all(pc.fill_null(pc.match_substring_regex(text, rf"^-?\d+(?:\.\d+)? ?{unit}$"), False)).as_py():
        return None
    numbers = pc.cast(pc.utf8_trim_whitespace(pc.replace_substring(text, unit, "")), pa.float64())
    return elapsed_numbers(numbers.to_numpy(), unit)


def elapsed_numbers(numbers: np.ndarray, unit: str) -> Times:
    """Return numbers in a unit as elapsed times; a unit that is not known is taken as seconds."""
    scale = ELAPSED_UNITS.get(unit.lower(), 1.0)
    stamps = np.rint(numbers.astype(np.float64) * scale * 1e9).astype(np.int64).astype("timedelta64[ns]")
    return Times(stamps, f"elapsed {unit}")
