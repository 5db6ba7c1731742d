"""Join a column of dates and a column of times of day, or seconds and nanoseconds; find a column of zones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.names import HOURS, TIME_WORD, TIMES, TIMES_OF_DAY, ZONES, key_of
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.table import is_text
from ape.series.reading.time_cells import looks_like_date, looks_like_time_of_day
from ape.series.reading.time_numbers import epoch, is_recent
from ape.series.reading.time_zones import is_zone
from ape.series.reading.times import DAY, Times, even_share

SAMPLE = 50  # cells
EVEN_SHARE = 0.9  # of the steps of dates and times that only their values tell
COMPACT = r"^\d{1,9}$"  # 0005, 500 or 235959
COMPACT_DATE = re.compile(r"^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")
HOUR_AND_MINUTE = re.compile(r"^\d{1,2}\.\d{2}$")  # also a number
MIDNIGHT = r"[T ](?:0?0:00(?::00(?:\.0+)?)?|12:00(?::00)? AM)$"  # after a date
HALF_OF_DAY = re.compile(r"^[ap]\.?m\.?$", re.IGNORECASE)
ENDS_WITH_CLOCK = r"(?:^|[T ])(?:0?\d|1[0-2]):\d{2}(?::\d{2}(?:\.\d+)?)?$"
MILLISECONDS = {"millis", "millisecond", "milliseconds", "ms", "msec"}
NANOSECONDS = re.compile(r"n(?:ano)?secs?$")
UNITS_OF_DAY = (24, 48, 96, 144, 288, 1_440, 86_400, 86_400_000)  # periods, minutes, seconds and milliseconds


@dataclass(frozen=True)
class DateAndClock:
    """Two columns that may be the times together.

    Parameters
    ----------
    date, clock : str
        Names of the columns.
    text : ChunkedArray of string
        Each date with its time of day.
    sure : bool
        Whether the clock is named as one; otherwise the times have to be even.
    """

    date: str
    clock: str
    text: pa.ChunkedArray
    sure: bool

    def fits(self, stamps: np.ndarray) -> bool:
        """Whether the times are those of a clock, and not dates with a number that looks like a time of day."""
        return self.sure or even_share(np.unique(stamps)) >= EVEN_SHARE


def dates_and_clocks(columns: Mapping[str, pa.ChunkedArray]) -> list[DateAndClock]:
    """Return the columns of dates with the columns that may be their times of day, those named as times first."""
    dates = [name for name, cells in columns.items() if has_dates(name, cells)]
    named = bool(dates)
    if not named:
        dates = [name for name, cells in columns.items() if _has_compact_dates(cells)]
    if not dates:
        return []
    date = dates[0]
    days = pc.replace_substring_regex(_without_midnight(columns[date]), r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3")
    blank = pc.equal(days, "")
    days = pc.fill_null_forward(pc.if_else(blank, pa.scalar(None, pa.string()), days))
    several = 2 * len(pc.unique(days)) <= len(days)  # rows on each date
    found = []
    for name, cells in columns.items():
        if name not in dates and (sample := _sample(cells)):
            clock = _as_clock(name, cells, sample, days, several)
            if clock is not None:
                text, sure = clock[0], clock[1] and named
                found.append(DateAndClock(date, name, pc.binary_join_element_wise(days, text, " "), sure))
    return sorted(found, key=lambda each: not each.sure)


def _sample(cells: pa.ChunkedArray) -> list[str]:
    kind = cells.type
    if not any(f(kind) for f in (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal)):
        return []
    return [cell.strip() for cell in pc.cast(cells.slice(0, SAMPLE), pa.string()).to_pylist() if cell and cell.strip()]


def _trimmed(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))


def _without_midnight(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    text = pc.fill_null(_trimmed(cells), "")
    return pc.replace_substring_regex(text, MIDNIGHT, "")


def has_dates(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether a column has dates without a time of day; numbers of eight digits need a name."""
    if pa.types.is_floating(cells.type) or pa.types.is_time(cells.type):
        return False
    sample = [re.sub(MIDNIGHT, "", cell) for cell in _sample(cells)]
    named = key_of(name) in TIMES or TIME_WORD.search(name) is not None
    return bool(sample) and all(map(looks_like_date, sample)) and (named or not sample[0].isdigit())


def _has_compact_dates(cells: pa.ChunkedArray) -> bool:
    return bool(sample := _sample(cells)) and all(map(COMPACT_DATE.match, sample))


def _as_clock(
    name: str, cells: pa.ChunkedArray, sample: list[str], days: pa.ChunkedArray, several: bool
) -> tuple[pa.ChunkedArray, bool] | None:
    """Return a column as times of day such as 12:30:00, and whether its name says that it has them."""
    key = key_of(name)
    named = key in TIMES_OF_DAY or key in HOURS
    if pa.types.is_time(cells.type):
        return _trimmed(cells), True
    with_point = all(map(HOUR_AND_MINUTE.match, sample))
    if all(map(looks_like_time_of_day, sample)) and not with_point:
        return (_trimmed(cells), named or TIME_WORD.search(name) is not None) if named or several else None
    if with_point and all(map(looks_like_time_of_day, sample)) and is_text(cells):
        padded = all(len(cell) == len("00.00") for cell in sample)
        return (_trimmed(cells), named and (padded or several)) if several or (named and padded) else None
    if not several and not (key in TIMES_OF_DAY and all(re.fullmatch(r"\d{4}|\d{6}", cell) for cell in sample)):
        return None
    numbers = plain_numbers(cells)
    if numbers is None:
        return None
    if named and (numbers == np.floor(numbers)).all():
        written = compact_clock(_trimmed(cells), numbers.astype(np.int64), key)
        if written is not None:
            return written, True
    if not named and pc.all(pc.match_substring_regex(_trimmed(cells), r"^(?:\d{4}|\d{6})$")).as_py():
        padded = pc.any(pc.match_substring_regex(_trimmed(cells), "^0")).as_py()
        if padded and (written := compact_clock(_trimmed(cells), numbers.astype(np.int64), key)) is not None:
            return written, False
    if (seconds := _seconds_of_day(numbers, named, days)) is None:
        return None
    clock = pc.cast(pa.array(np.rint(seconds * 1000).astype(np.int32), pa.time32("ms")), pa.string())
    return pa.chunked_array([clock]), False


def compact_clock(text: pa.ChunkedArray, numbers: np.ndarray, key: str) -> pa.ChunkedArray | None:
    """Return hours, or HHMM, HHMMSS and HHMMSSmmm with or without the zeros before them, as times of day.

    Parameters
    ----------
    text : ChunkedArray of string [n]
    numbers : ndarray, int64 [n]
        The same.
    key : str
        Name of the column in lower case.
    """
    if not pc.all(pc.match_substring_regex(text, COMPACT)).as_py():
        return None
    if key in HOURS and numbers.max() <= 24:
        return pc.binary_join_element_wise(text, "00", ":")
    length = pc.max(pc.utf8_length(text)).as_py()
    if length <= 4 and numbers.max() <= 2400 and (numbers % 100 < 60).all():
        return pc.replace_substring_regex(pc.utf8_lpad(text, 4, "0"), r"^(\d\d)(\d\d)$", r"\1:\2")
    size = 6 if length <= 6 else 9
    whole = numbers // 10 ** (size - 6)
    if whole.max() > 240_000 or (whole % 100 > 60).any() or (whole // 100 % 100 > 59).any():
        return None
    padded = pc.utf8_lpad(text, size, "0")
    padded = pc.replace_substring_regex(padded, r"^(\d\d)(\d\d)(\d\d)", r"\1:\2:\3")
    return pc.replace_substring_regex(padded, r"(\d\d\d)$", r".\1") if size == 9 else padded


def _seconds_of_day(numbers: np.ndarray, named: bool, days: pa.ChunkedArray) -> np.ndarray | None:
    """Return the seconds of hours with a fraction, or of units that are counted from the start of each day."""
    if named and numbers.dtype.kind == "f" and numbers.min() >= 0 and numbers.max() < 24:
        return np.rint(numbers * 3600) % DAY
    same_day = pc.equal(days.slice(1), days.slice(0, len(days) - 1)).to_numpy()
    if same_day.all() or not same_day.any():
        return None
    low, step = numbers.min(), np.median(np.diff(numbers)[same_day])
    units = int(numbers.max() - low + step)
    if units in UNITS_OF_DAY and low in (0, 1) and (numbers[1:][~same_day] == low).mean() >= EVEN_SHARE:
        return (numbers - low) * (DAY / units)
    return None


def seconds_and_nanoseconds(columns: Mapping[str, pa.ChunkedArray]) -> tuple[Times, list[str]] | None:
    """Return the times of columns such as ``secs`` and ``nsecs``, and the names of these columns."""
    by_key = {key_of(name): name for name in columns}
    for key, name in by_key.items():
        match = NANOSECONDS.search(key)
        seconds = match and next(
            (by_key[k] for end in ("secs", "sec") if (k := key[: match.start()] + end) in by_key), None
        )
        if not seconds:
            continue
        whole, rest = plain_numbers(columns[seconds]), plain_numbers(columns[name])
        if whole is None or rest is None or rest.min() < 0 or rest.max() >= 10**9:
            continue
        times = epoch(whole, "s")
        if is_recent(times.stamps):
            stamps = times.stamps + rest.astype(np.int64).astype("timedelta64[ns]")
            return replace(times, stamps=stamps, format="seconds and nanoseconds since 1970"), [seconds, name]
    return None


def with_halves(columns: dict[str, pa.ChunkedArray]) -> tuple[dict[str, pa.ChunkedArray], str | None, str | None]:
    """Return the columns with AM and PM joined to their times, and the columns of these times and of AM and PM."""
    half = next((name for name, cells in columns.items() if _has_halves(cells)), None)
    rest = {name: cells for name, cells in columns.items() if name != half}
    clock = half and next((name for name, cells in rest.items() if _has_clock(cells)), None)
    if half is None or clock is None:
        return columns, None, None
    rest[clock] = pc.binary_join_element_wise(_trimmed(rest[clock]), _trimmed(columns[half]), " ")
    return rest, clock, half


def _has_halves(cells: pa.ChunkedArray) -> bool:
    return is_text(cells) and bool(sample := _sample(cells)) and all(map(HALF_OF_DAY.match, sample))


def _has_clock(cells: pa.ChunkedArray) -> bool:
    """Whether cells of text have a time of day of 12 hours without AM or PM, with or without a date."""
    return is_text(cells) and pc.all(pc.match_substring_regex(_trimmed(cells), ENDS_WITH_CLOCK)).as_py() is True


def with_milliseconds(times: Times, columns: Mapping[str, pa.ChunkedArray], split: bool) -> tuple[Times, str | None]:
    """Return times of whole seconds with the milliseconds of another column, and the name of this column.

    Unless the times are ``split`` into several columns, the milliseconds have to tell equal times apart.
    """
    whole = (times.stamps == times.stamps.astype(f"{times.stamps.dtype.kind}8[s]")).all()
    for name, cells in columns.items() if whole else ():
        numbers = plain_numbers(cells) if key_of(name) in MILLISECONDS else None
        if numbers is None or (numbers != np.floor(numbers)).any() or numbers.min() < 0 or numbers.max() > 999:
            continue
        stamps = times.stamps + numbers.astype(np.int64).astype("timedelta64[ms]")
        if split or len(np.unique(stamps)) > len(np.unique(times.stamps)):
            return replace(times, stamps=stamps), name
    return times, None


def zone_column(columns: Mapping[str, pa.ChunkedArray]) -> str | None:
    """Return the name of a column with the zones of the times."""
    for name, cells in columns.items():
        if key_of(name) in ZONES and is_text(cells) and all(map(is_zone, _sample(cells) or ["?"])):
            return name
    return None
