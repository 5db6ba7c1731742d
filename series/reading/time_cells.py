"""Read times from text: the format is inferred from the whole column, and so is the order of day and month."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.clock import CLOCK, clock_seconds, integers, required_fields
from ape.series.reading.day_order import Order, choose_order
from ape.series.reading.elapsed_times import DURATION, ELAPSED, read_durations, read_elapsed, read_times_of_day
from ape.series.reading.month_names import month_of, months_of
from ape.series.reading.options import ReadOptions
from ape.series.reading.time_spellings import plain_time, plain_times
from ape.series.reading.time_zones import in_zone, zone_offsets
from ape.series.reading.times import Times, Unreadable, dates_of, first_mondays, full_years, joined, resolved

ZONE = (
    r"(?: ?(?P<zone>[Zz]|(?:UTC|GMT)?[+\-]\d{1,2}(?::?\d{2})?|[A-Z]{3,5}|[A-Z][A-Za-z]+/[A-Za-z_/\-]+))?"
    r"(?:\[[A-Za-z_/+\-0-9]+\])?"
)
NAME = "(?P<name>[A-Za-zÀ-ÿ]{3,10})"
WEEKDAY = r"(?:[A-Za-zÀ-ÿ]{2,9}\.?,? )?"
DATE = rf"^{WEEKDAY}(?P<a>\d{{1,4}})(?P<mark>[-/.])(?P<b>\d{{1,2}})[-/.](?P<c>\d{{1,4}})"
AND_CLOCK = rf"(?:[T_, :]+{CLOCK}{ZONE})?$"
PATTERNS = (
    DATE + AND_CLOCK,
    DATE + r"[T ](?P<hour>\d{1,2})(?: ?h| Uhr)?$",
    rf"^{WEEKDAY}(?P<a>\d{{1,2}})\.?[-/ ]?{NAME}\.?[-/ ,]*(?P<c>\d{{2,4}})" + AND_CLOCK,
    rf"^{WEEKDAY}{NAME}\.?[ -](?P<a>\d{{1,2}}),?[ -](?P<c>\d{{4}})" + AND_CLOCK,
    rf"^{WEEKDAY}{NAME}\.? {{1,2}}(?P<a>\d{{1,2}}) {CLOCK}{ZONE} (?P<c>\d{{4}})$",
    rf"^(?P<c>\d{{4}})[- /]?{NAME}\.?[- /](?P<a>\d{{1,2}})" + AND_CLOCK,
    rf"^{NAME}\.?(?:[-/ ](?P<c>\d{{4}})|[-/'](?P<short>\d{{2}}))$",
    r"^(?P<a>\d{4})(?P<mark>[-/])(?P<b>\d{1,2})$",
    r"^(?P<b>\d{1,2})(?P<mark>[-/])(?P<a>\d{4})$",
    r"^(?P<a>\d{4})(?P<b>\d{2})(?P<c>\d{2})[T _:\-](?P<hour>\d{2}):?(?P<minute>\d{2})"
    r"(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?" + ZONE + "$",
    r"^(?P<year>\d{4})-?W(?P<week>\d{2})(?:-?(?P<weekday>[1-7]))?$",
    r"^(?P<year>\d{4})[- ]?Q(?P<quarter>[1-4])$",
    r"^Q(?P<quarter>[1-4])[-/ ]?(?P<year>\d{4})$",
    r"^(?P<year>\d{4})-(?P<yearday>\d{3})" + AND_CLOCK,
)
ISO = re.compile(r"^\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?$")
TIME_OF_DAY = rf"^{CLOCK}{ZONE}$"
ONLY_DATE = re.compile(rf"{DATE}$|^\d{{8}}$|^\d{{1,2}}[-/ .]?[A-Za-zÀ-ÿ]{{3,9}}[-/ .]+\d{{2,4}}$")
NUMBER = re.compile(r"^[+-]?\d*\.?\d*$")  # 26.79 rather than hours and minutes
SAMPLE = 200


def looks_like_time(cell: str) -> bool:
    """Whether a cell contains a date, a time of day, or an elapsed time."""
    cell = cell.strip()
    if NUMBER.match(cell):
        return False
    if ISO.match(cell):
        return True
    cell = plain_time(cell)
    if re.match(r"PT?\d", cell):
        return re.match(DURATION, cell) is not None
    return any(_matches(pattern, cell) for pattern in (*PATTERNS, TIME_OF_DAY, ELAPSED))


def looks_like_date(cell: str) -> bool:
    """Whether a cell contains a date without a time of day; 18.00.00 is none."""
    match = ONLY_DATE.match(plain_time(cell))
    if match is None or match["b"] is None:
        return match is not None
    numbers = [int(match[part]) for part in "abc"]
    return min(numbers[:2]) > 0 and (min(numbers) <= 12) and (numbers[1] <= 31)


def looks_like_time_of_day(cell: str) -> bool:
    """Whether a cell contains a time of day without a date; 26.79 is none."""
    match = re.match(TIME_OF_DAY, plain_time(cell))
    return match is not None and int(match["hour"]) <= 24 and int(match["minute"]) < 60


def _matches(pattern: str, cell: str) -> bool:
    match = re.match(pattern, cell)
    return match is not None and ("name" not in match.groupdict() or month_of(match["name"]) > 0)


def read_times(cells: pa.ChunkedArray, options: ReadOptions, where: str) -> Times:
    """Read a column of text as times.

    Raises
    ------
    Unreadable
        A cell is no time in the format of the column.
    InputError
        The order of day and month, or a zone, is ambiguous.
    """
    text = pc.utf8_trim_whitespace(cells)
    if text.null_count:
        raise Unreadable(int(np.flatnonzero(pc.is_null(text).to_numpy())[0]))
    if options.time_format is not None:
        return _in_given_format(text, options.time_format)
    sample = text.slice(0, SAMPLE).to_pylist()
    if all(ISO.match(cell) for cell in sample):
        try:
            return _iso(text, options, where)
        except pa.ArrowInvalid:
            pass
    text = plain_times(text)
    first = text[0].as_py()
    for pattern in PATTERNS:
        if _matches(pattern, first):
            return _by_pattern(text, pattern, options, where)
    if re.match(ELAPSED, first):
        return read_elapsed(text)
    if re.match(DURATION, first):
        return read_durations(text)
    if re.match(TIME_OF_DAY, first):
        return read_times_of_day(text, TIME_OF_DAY)
    raise Unreadable(0)


def _iso(text: pa.ChunkedArray, options: ReadOptions, where: str) -> Times:
    zoned = ISO.match(text[0].as_py())["zone"] is not None  # type: ignore[index]
    for unit in ("ns", "us"):
        try:
            cast = pc.cast(text, pa.timestamp(unit, "UTC" if zoned else None))
            break
        except pa.ArrowInvalid:
            if unit == "us":
                raise
    stamps = pc.cast(cast, pa.int64()).to_numpy().astype(f"datetime64[{unit}]")
    if not zoned:
        return Times(stamps, "year-month-day")
    suffixes = pc.if_else(
        pc.ends_with(text, "Z"), "Z", pc.utf8_ltrim(pc.utf8_slice_codeunits(text, -6), characters="0123456789:.")
    )
    return Times(stamps, "year-month-day", *zone_offsets(suffixes, options.timezone, where))


def _by_pattern(text: pa.ChunkedArray, pattern: str, options: ReadOptions, where: str) -> Times:
    fields = required_fields(text, pattern)
    seconds, fraction = clock_seconds(fields)
    mark = fields["mark"][0].as_py() if "mark" in fields else ""
    name, dates, notes = choose_order(_orders(fields), seconds, mark, options.dayfirst, where, text)
    stamps = joined(dates, seconds, fraction)
    zones = fields.get("zone")
    if zones is None or pc.all(pc.equal(zones, "")).as_py():
        return Times(stamps, name, notes=notes)
    if "/" in (region := zones[0].as_py()) and pc.all(pc.equal(zones, region)).as_py():
        return in_zone(Times(stamps, name, notes=notes), region, where)
    zone, offsets = zone_offsets(zones, options.timezone, where)
    return Times(stamps - offsets.astype("timedelta64[s]"), name, zone, offsets, notes)


def _orders(fields: dict[str, pa.ChunkedArray]) -> list[Order]:
    """Return the dates in each order that the fields can have, and the row of the first that does not exist."""
    if "year" in fields:
        return [_parts_of_year(fields)]
    if "name" in fields:
        months = months_of(fields["name"])
        if "short" in fields:
            digits = pc.if_else(pc.equal(fields["c"], ""), fields["short"], fields["c"])
            return [Order("month year", *dates_of(_years(digits), months, np.ones_like(months)))]
        return [Order("day month year", *dates_of(_years(fields["c"]), months, integers(fields["a"])))]
    a, b = integers(fields["a"]), integers(fields["b"])
    if "c" not in fields:
        return [Order("year-month", *dates_of(a, b, np.ones_like(a)))]
    c = integers(fields["c"])
    if pc.max(pc.utf8_length(fields["a"])).as_py() > 2:
        return [Order("year-month-day", *dates_of(a, b, c))]
    years = _years(fields["c"])
    orders = [Order("day first", *dates_of(years, b, a)), Order("month first", *dates_of(years, a, b))]
    if pc.max(pc.utf8_length(fields["c"])).as_py() <= 2:
        orders.append(Order("year first", *dates_of(_years(fields["a"]), b, c)))
    return orders


def _parts_of_year(fields: dict[str, pa.ChunkedArray]) -> Order:
    """Return the dates of quarters, ISO weeks or days of the year."""
    years = integers(fields["year"])
    first = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    if "quarter" in fields:
        return Order("year and quarter", *dates_of(years, 3 * integers(fields["quarter"]) - 2, np.ones_like(years)))
    if "week" in fields:
        weeks, weekdays = integers(fields["week"]), np.maximum(integers(fields["weekday"]), 1)
        dates = first_mondays(years) + 7 * (weeks - 1) + weekdays - 1
        wrong, name = (weeks < 1) | (weeks > 53), "ISO week"
    else:
        days = integers(fields["yearday"])
        dates, name = first + days - 1, "year and day of the year"
        wrong = dates.astype("datetime64[Y]") != first.astype("datetime64[Y]")
    return Order(name, dates, int(np.flatnonzero(wrong)[0]) if wrong.any() else None)


def _years(digits: pa.ChunkedArray) -> np.ndarray:
    """Return years of two or four digits."""
    numbers = integers(digits)
    short = pc.less_equal(pc.utf8_length(digits), 2).to_numpy()
    return np.where(short, full_years(numbers), numbers)


def _in_given_format(text: pa.ChunkedArray, form: str) -> Times:
    values = pd.Series(text.to_pylist(), dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            utc = pd.to_datetime(values, format=form, errors="coerce", utc=True).dt.tz_localize(None)
        except ValueError as error:
            raise InputError(
                f"'{form}' is not a time format", "--time-format", "give one such as '%d.%m.%Y %H:%M'"
            ) from error
        if utc.isna().any():
            raise Unreadable(int(np.flatnonzero(utc.isna().to_numpy())[0]))
        try:
            clock = pd.to_datetime(values, format=form).dt
        except ValueError:  # several zones
            clock = utc.dt.tz_localize("UTC").dt
    stamps = resolved(utc.to_numpy())
    if clock.tz is None:
        return Times(stamps, form)
    offsets = (resolved(clock.tz_localize(None).to_numpy()) - stamps) // np.timedelta64(1, "s")
    return Times(stamps, form, str(clock.tz).removeprefix("UTC") or "UTC", offsets.astype(np.int32))
