"""Times in columns of years, months, days and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.clock import CLOCK, clock_seconds, required_fields
from ape.series.reading.month_names import months_of
from ape.series.reading.names import TIMES_OF_DAY, key_of
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.table import is_text
from ape.series.reading.times import Times, Unreadable, dates_of, even_share, first_mondays, full_years, joined

LEAST_EVEN = 0.9  # share of the steps of parts that are joined without a day
# Parts of a time: their names, the shorter ones of which other columns have too, and their range.
PART_NAMES = {
    "year": ("year", "yyyy", "jahr", "annee", "année", "año", "ano", "anno", "yr", "yy"),
    "month": ("month", "monat", "mois", "mes", "mese", "maand", "mon", "mo", "mm"),
    "day": ("day", "dayofmonth", "tag", "jour", "dia", "día", "giorno", "dag", "dom", "dy", "dd"),
    "day of year": ("dayofyear", "yearday", "doy", "yday", "jday", "julianday", "ddd"),
    "week": ("week", "weekofyear", "isoweek", "woche", "kw", "semaine", "wk"),
    "quarter": ("quarter", "quartal", "qtr", "trimestre"),
    "hour": ("hour", "hours", "stunde", "heure", "hora", "ora", "uur", "hh", "hr"),
    "minute": ("minute", "minutes", "minuto", "min", "mn", "mi"),
    "second": ("second", "seconds", "sekunde", "seconde", "segundo", "sec", "ss"),
}
PART_RANGES = {
    "year": (0, 9999), "month": (1, 12), "day": (1, 31), "day of year": (1, 366), "week": (1, 53), "quarter": (1, 4),
    "hour": (0, 24), "minute": (0, 59), "second": (0, 60),
}  # fmt: skip
DATED = (("month", "day"), ("day of year",), ("month",), ("week",), ("quarter",), ())  # beside the year
SECONDS = {"hour": 3600, "minute": 60, "second": 1}


@dataclass(frozen=True)
class Part:
    """A part of times, such as the hour."""

    name: str

    def holds(self, numbers: np.ndarray) -> bool:
        """Whether all numbers are in the range of the part."""
        low, high = PART_RANGES[self.name]
        whole = (numbers == np.floor(numbers)).all()
        return bool(whole and low <= numbers.min() and numbers.max() <= high)

    def equals(self, numbers: np.ndarray, times: Times) -> bool:
        """Whether the numbers are this part of dated times, on the clock of the file."""
        stamps = times.stamps
        if times.clock_offset is not None:
            stamps = stamps + times.clock_offset.astype("timedelta64[s]")
        days, months, years = (stamps.astype(f"datetime64[{unit}]") for unit in "DMY")
        seconds = (stamps - days) // np.timedelta64(1, "s")
        of_year = (days - years.astype("datetime64[D]")).astype(np.int64)
        month = months.astype(np.int64) % 12
        parts = {
            "year": (years.astype(np.int64) + 1970, years.astype(np.int64) % 100 + 70),
            "month": (month + 1,),
            "day": ((days - months.astype("datetime64[D]")).astype(np.int64) + 1,),
            "day of year": (of_year + 1,),
            "quarter": (month // 3 + 1,),
            "hour": (seconds // 3600, seconds // 3600 + 1),
            "minute": (seconds // 60 % 60,),
            "second": (seconds % 60,),
        }
        return any((numbers == part).all() for part in parts.get(self.name, ()))


def part_named(name: str) -> Part | None:
    """Return the part of times that a column is surely named after; None for names that other columns have too."""
    key = key_of(name)
    return next((Part(part) for part, names in PART_NAMES.items() if key in names and len(key) > 3), None)


def calendar_times(columns: Mapping[str, pa.ChunkedArray]) -> tuple[Times, list[str]] | None:
    """Return the times of columns of years, months, days and so on, and the names of these columns.

    The year has to be there, and every part above the last one.
    """
    found = _named_parts(columns)
    if "year" not in found:
        return None
    dated = next(parts for parts in DATED if all(part in found for part in parts))
    clock = [part for part in SECONDS if part in found]
    if clock != list(SECONDS)[: len(clock)]:
        return None
    with_day = dated in (("month", "day"), ("day of year",))
    numbers: dict[str, np.ndarray] = {}
    for part in ("year", *dated, *(clock if with_day else ())):
        read = _numbers(columns[found[part]], part)
        if read is None:
            return None
        numbers[part] = read
    years = numbers["year"] if numbers["year"].max() > 99 else full_years(numbers["year"])
    dates = _dates(years, {part: numbers[part] for part in dated})
    if dates is None:
        return None
    used = [found[part] for part in numbers]
    seconds: np.ndarray | None = np.zeros(len(dates), np.int64)
    if clock and with_day:
        seconds = _clock_of({part: numbers[part] for part in clock})
    elif with_day and (compact := _hours_and_minutes(columns, used)) is not None:
        used.append(compact[0])
        seconds = compact[1]
    if seconds is None:
        return None
    stamps = joined(dates, seconds, np.zeros(len(dates), np.int64))
    if not with_day and even_share(stamps) < LEAST_EVEN:
        return None
    return Times(stamps, "calendar columns"), used


def _named_parts(columns: Mapping[str, pa.ChunkedArray]) -> dict[str, str]:
    """Return the columns by the part that they are named after; MM is the month, and a second one the minute."""
    found: dict[str, str] = {}
    for name in columns:
        key = key_of(name)
        part = next((part for part, names in PART_NAMES.items() if key in names), None)
        if part == "month" and key == "mm" and part in found:
            part = "minute"
        if part is not None:
            found.setdefault(part, name)
    return found


def _numbers(cells: pa.ChunkedArray, part: str) -> np.ndarray | None:
    """Return the integers of a part; the names of months are numbers too."""
    numbers = plain_numbers(cells)
    if numbers is None and part == "month" and is_text(cells):
        months = months_of(pc.fill_null(pc.utf8_trim_whitespace(cells), ""))
        numbers = months if (months > 0).all() else None
    if numbers is None or (numbers != np.floor(numbers)).any():
        return None
    return numbers.astype(np.int64)


def _dates(years: np.ndarray, parts: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the dates; None if one does not exist."""
    first = np.ones_like(years)
    if any(not Part(part).holds(numbers) for part, numbers in parts.items()):
        return None
    months = 3 * parts["quarter"] - 2 if "quarter" in parts else parts.get("month", first)
    dates, wrong = dates_of(years, months, parts.get("day", first))
    if wrong is not None:
        return None
    if "week" in parts:
        return first_mondays(years) + 7 * (parts["week"] - 1)
    if "day of year" in parts:
        dates = dates + (parts["day of year"] - 1)
        return dates if (dates.astype("datetime64[Y]").astype(int) + 1970 == years).all() else None
    return dates


def _clock_of(parts: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the seconds of the day of hours, minutes and seconds; None if one does not exist."""
    if len(parts) == 1 and (seconds := _seconds_of_hhmm(parts["hour"])) is not None:
        return seconds
    if any(not Part(part).holds(numbers) for part, numbers in parts.items()):
        return None
    return sum((numbers * SECONDS[part] for part, numbers in parts.items()), np.zeros(len(parts["hour"]), np.int64))


def _hours_and_minutes(columns: Mapping[str, pa.ChunkedArray], used: list[str]) -> tuple[str, np.ndarray] | None:
    """Return the column with times of day such as 2350 or 23:50 beside the dates, and its seconds of the day."""
    for name, cells in columns.items():
        if key_of(name) not in TIMES_OF_DAY or name in used:
            continue
        numbers = _numbers(cells, "hour")
        seconds = _seconds_of_clock(cells) if numbers is None else _seconds_of_hhmm(numbers)
        return None if seconds is None else (name, seconds)
    return None


def _seconds_of_clock(cells: pa.ChunkedArray) -> np.ndarray | None:
    """Return the seconds of times of day such as 23:50:00; None for other cells."""
    text = pc.fill_null(pc.utf8_trim_whitespace(pc.cast(cells, pa.string())), "")
    try:
        return clock_seconds(required_fields(text, f"^{CLOCK}$"))[0]
    except Unreadable:
        return None


def _seconds_of_hhmm(numbers: np.ndarray) -> np.ndarray | None:
    """Return the seconds of hours and minutes such as 2350; None for other numbers, such as hours."""
    if numbers.max() <= 24 or numbers.min() < 0 or numbers.max() > 2400 or (numbers % 100 > 59).any():
        return None
    return numbers // 100 * 3600 + numbers % 100 * 60
