"""Read times: the format is inferred from the whole column, and so is the order of day and month."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.options import EPOCH_UNITS, EXCEL, ReadOptions

CLOCK = (
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,:](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
ZONE = r"(?: ?(?P<zone>[Zz]|(?:UTC|GMT)?[+\-]\d{1,2}(?::?\d{2})?|[A-Z]{3,4}))?(?:\[[A-Za-z_/+\-0-9]+\])?"
WORD = "[A-Za-zÀ-ÿ]{3,9}"
WEEKDAY = r"(?:[A-Za-zÀ-ÿ]{2,9}\.?,? )?"
DATE = rf"^{WEEKDAY}(?P<a>\d{{1,4}})(?P<mark>[-/.])(?P<b>\d{{1,2}})[-/.](?P<c>\d{{1,4}})"
PATTERNS = (
    rf"{DATE}(?:(?:[T, :]|, | {{2}})(?:{CLOCK}){ZONE})?$",
    rf"^{WEEKDAY}(?P<a>\d{{1,2}})\.?[-/ ]?(?P<name>{WORD})\.?[-/ ,]+(?P<c>\d{{2,4}})(?:[T, :]+{CLOCK}{ZONE})?$",
    rf"^{WEEKDAY}(?P<name>[A-Za-zÀ-ÿ]{{3,9}})\.?[ -](?P<a>\d{{1,2}}),?[ -](?P<c>\d{{4}})(?:[, :]+{CLOCK}{ZONE})?$",
    rf"^{WEEKDAY}(?P<name>[A-Za-zÀ-ÿ]{{3,9}})\.? {{1,2}}(?P<a>\d{{1,2}}) {CLOCK}{ZONE} (?P<c>\d{{4}})$",
    r"^(?P<a>\d{4})(?P<mark>[-/])(?P<b>\d{1,2})$",
    r"^(?P<a>\d{4})(?P<b>\d{2})(?P<c>\d{2})[T ](?P<hour>\d{2}):?(?P<minute>\d{2})"
    r"(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?" + ZONE + "$",
)
ISO = re.compile(r"^\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?$")
ELAPSED = (
    r"^(?P<sign>-?)(?:(?P<days>\d+)(?: days?,?|d|\.)? ?)??(?P<hours>\d{1,6}):(?P<minutes>\d{2})"
    r"(?::(?P<seconds>\d{2}))?(?:[.,](?P<fraction>\d{1,9}))?$"
)
TIME_OF_DAY = rf"^{CLOCK}{ZONE}$"
ONLY_DATE = re.compile(rf"{DATE}$|^\d{{8}}$|^\d{{1,2}}[-/ .]?[A-Za-zÀ-ÿ]{{3,9}}[-/ .]+\d{{2,4}}$")
MONTHS = {
    "jan": 1, "ene": 1, "feb": 2, "fev": 2, "fév": 2, "mar": 3, "mär": 3, "mrz": 3, "maa": 3, "mrt": 3, "apr": 4,
    "avr": 4,
    "abr": 4, "may": 5, "mai": 5, "maj": 5, "mei": 5, "mag": 5, "jun": 6, "giu": 6, "jul": 7, "lug": 7, "aug": 8,
    "aoû": 8,
    "ago": 8, "sep": 9, "set": 9, "oct": 10, "okt": 10, "out": 10, "ott": 10, "nov": 11, "dec": 12, "dez": 12,
    "dic": 12, "déc": 12,
}  # fmt: skip
ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "CET": 60, "MEZ": 60, "WEST": 60, "CEST": 120, "MESZ": 120, "EET": 120,
    "EEST": 180,
}  # fmt: skip
EPOCH_FROM = 1e8  # seconds: 1973
EPOCH_TO = 7.3e9  # seconds: 2201
SAMPLE = 200
DAY = 86_400
EVEN = 0.1  # of a step: how far a step of an even grid may be from the median


@dataclass(frozen=True)
class Times:
    """The times of the rows of a table, in the order of the file.

    Parameters
    ----------
    stamps : ndarray, datetime64 [n], or timedelta64 [n] for elapsed times
        UTC if the zone is known, otherwise the clock of the file. In ns, or in us if a date is outside 1678 to 2261.
    format : str
        The format in words.
    zone : str or None
        Zone as it is shown: ``+01:00``, ``UTC``, ``Europe/Berlin``.
    clock_offset : ndarray, int32 [n], or None
        Seconds that the clock of the file is ahead of ``stamps``.
    notes : tuple of str
    """

    stamps: np.ndarray
    format: str
    zone: str | None = None
    clock_offset: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> Times:
        """Return the times of some rows."""
        offsets = None if self.clock_offset is None else self.clock_offset[rows]
        return replace(self, stamps=self.stamps[rows], clock_offset=offsets)


class Unreadable(ValueError):
    """A cell is no time; ``row`` is its position."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def looks_like_time(cell: str) -> bool:
    """Whether a cell contains a date, a time of day, or an elapsed time."""
    cell = cell.strip()
    return bool(ISO.match(cell)) or any(_matches(pattern, cell) for pattern in (*PATTERNS, TIME_OF_DAY, ELAPSED))


def looks_like_date(cell: str) -> bool:
    """Whether a cell contains a date without a time of day."""
    return bool(ONLY_DATE.match(cell.strip()))


def looks_like_time_of_day(cell: str) -> bool:
    """Whether a cell contains a time of day without a date."""
    return bool(re.match(TIME_OF_DAY, cell.strip()))


def _matches(pattern: str, cell: str) -> bool:
    match = re.match(pattern, cell)
    if match is None:
        return False
    name = match.groupdict().get("name")
    return name is None or _month(name) > 0


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
    if options.time_format is not None:
        return _in_given_format(text, options.time_format)
    if text.null_count:
        raise Unreadable(int(np.flatnonzero(pc.is_null(text).to_numpy())[0]))
    sample = text.slice(0, SAMPLE).to_pylist()
    if all(ISO.match(cell) for cell in sample):
        try:
            return _iso(text, sample)
        except pa.ArrowInvalid:
            pass
    for pattern in PATTERNS:
        if _matches(pattern, sample[0]):
            return _by_pattern(text, pattern, options, where)
    if re.match(ELAPSED, sample[0]):
        return _elapsed(text)
    if re.match(TIME_OF_DAY, sample[0]):
        return _elapsed(text, TIME_OF_DAY)
    raise Unreadable(0)


def _iso(text: pa.ChunkedArray, sample: list[str]) -> Times:
    zoned = ISO.match(sample[0])["zone"] is not None  # type: ignore[index]
    for unit in ("ns", "us"):
        try:
            stamps = pc.cast(text, pa.timestamp(unit, "UTC" if zoned else None))
            break
        except pa.ArrowInvalid:
            if unit == "us":
                raise
    times = Times(_numpy(stamps), "year-month-day")
    if not zoned:
        return times
    return _with_zones(times, pc.if_else(pc.ends_with(text, "Z"), "Z", pc.utf8_slice_codeunits(text, -6)))


def _numpy(stamps: pa.ChunkedArray) -> np.ndarray:
    unit = stamps.type.unit
    return pc.cast(stamps, pa.int64()).to_numpy().astype(f"datetime64[{unit}]")


def _with_zones(times: Times, suffixes: pa.ChunkedArray) -> Times:
    """Add the zone and the clock offset from the offsets that the cells end with; the stamps are UTC already."""
    coded = pc.dictionary_encode(suffixes).combine_chunks()
    minutes = [_minutes(zone) for zone in coded.dictionary.to_pylist()]
    offsets = np.array(minutes, dtype=np.int32)[coded.indices.to_numpy()] * 60
    shown = sorted(set(minutes))
    zone = " and ".join(_zone_name(each) for each in shown)
    return replace(times, zone=zone, clock_offset=offsets)


def _zone_name(minutes: int) -> str:
    if minutes == 0:
        return "UTC"
    return f"{'+' if minutes > 0 else '-'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _minutes(zone: str) -> int:
    """Return the minutes east of Greenwich of ``Z``, ``+01:00``, ``UTC+1``, ``CET``."""
    zone = zone.strip()
    if zone.upper() in ZONES:
        return ZONES[zone.upper()]
    match = re.search(r"([+-])(\d{1,2}):?(\d{2})?$", zone)
    if match is None:
        raise InputError(f"the time zone '{zone}' has several meanings", "times", "write offsets such as +01:00")
    size = int(match[2]) * 60 + int(match[3] or 0)
    return -size if match[1] == "-" else size


def _fields(text: pa.ChunkedArray, pattern: str) -> dict[str, pa.ChunkedArray]:
    parts = pc.extract_regex(text, pattern)
    chunks = parts.chunks
    wrong = pc.is_null(parts)
    if pc.any(wrong).as_py():
        raise Unreadable(int(np.flatnonzero(wrong.to_numpy())[0]))
    names = [field.name for field in parts.type]
    return {name: pa.chunked_array([pc.struct_field(chunk, name) for chunk in chunks], pa.string()) for name in names}


def _integers(field: pa.ChunkedArray | None, length: int) -> np.ndarray:
    if field is None:
        return np.zeros(length, dtype=np.int64)
    filled = pc.if_else(pc.equal(field, ""), "0", pc.fill_null(field, "0"))
    return pc.cast(filled, pa.int64()).to_numpy()


def _nanoseconds_of_fraction(field: pa.ChunkedArray | None, length: int) -> np.ndarray:
    if field is None:
        return np.zeros(length, dtype=np.int64)
    return _integers(pc.utf8_rpad(pc.fill_null(field, ""), 9, "0"), length)


def _by_pattern(text: pa.ChunkedArray, pattern: str, options: ReadOptions, where: str) -> Times:
    fields = _fields(text, pattern)
    length = len(text)
    a, c = _integers(fields["a"], length), _integers(fields.get("c"), length)
    if "name" in fields:
        coded = pc.dictionary_encode(fields["name"]).combine_chunks()
        months = np.array([_month(name) for name in coded.dictionary.to_pylist()])
        orders = [("day month year", _years(c, fields["c"]), months[coded.indices.to_numpy()], a)]
    else:
        orders = _orders(a, _integers(fields["b"], length), c, fields)
    seconds, extra = _clock(fields, length)
    choices = []
    problem = 0
    for name, years, months, days in orders:
        dates, wrong = dates_of(years, months, days)
        if wrong is None:
            choices.append((name, dates))
        else:
            problem = max(problem, wrong)
    if not choices:
        raise Unreadable(problem)
    mark = next(iter(pc.unique(fields["mark"]).to_pylist()), "") if "mark" in fields else ""
    name, dates, notes = _choose_order(choices, seconds, mark, options, where, text[0].as_py())
    stamps = joined(dates, seconds, extra)
    times = Times(stamps, name, notes=tuple(notes))
    if "zone" in fields and pc.any(pc.not_equal(fields["zone"], "")).as_py():
        zones = fields["zone"]
        if pc.any(pc.equal(zones, "")).as_py():
            raise InputError("some times have a zone and some have none", where, "write all times in one way")
        times = _with_zones(times, zones)
        shift = times.clock_offset.astype("timedelta64[s]")  # type: ignore[union-attr]
        times = replace(times, stamps=times.stamps - shift)
    return times


def _month(name: str) -> int:
    low = name.lower()
    if low.startswith("juil"):
        return 7
    if low.startswith(("juin",)):
        return 6
    return MONTHS.get(low[:3], 0)


def _years(numbers: np.ndarray, text: pa.ChunkedArray) -> np.ndarray:
    short = pc.less_equal(pc.utf8_length(text), 2).to_numpy()
    return np.where(short, np.where(numbers < 69, numbers + 2000, numbers + 1900), numbers)


def _orders(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, fields: dict[str, pa.ChunkedArray]
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    if "c" not in fields:
        return [("year-month", a, b, np.ones_like(a))]
    if pc.max(pc.utf8_length(fields["a"])).as_py() > 2:
        return [("year-month-day", a, b, c)]
    years = _years(c, fields["c"])
    orders = [("day first", years, b, a), ("month first", years, a, b)]
    if pc.max(pc.utf8_length(fields["c"])).as_py() <= 2:
        orders.append(("year first", _years(a, fields["a"]), b, c))
    return orders


def _clock(fields: dict[str, pa.ChunkedArray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds of the day, and the nanoseconds of the second."""
    if "hour" not in fields:
        return np.zeros(length, np.int64), np.zeros(length, np.int64)
    hours, minutes, seconds = (_integers(fields.get(name), length) for name in ("hour", "minute", "second"))
    if "half" in fields:
        half = pc.utf8_lower(pc.fill_null(fields["half"], ""))
        is_half = pc.not_equal(half, "").to_numpy()
        bad = is_half & ((hours > 12) | (hours == 0))
        if bad.any():
            raise Unreadable(int(np.flatnonzero(bad)[0]))
        afternoon = pc.equal(half, "p").to_numpy()
        hours = np.where(is_half, hours % 12 + 12 * afternoon, hours)
    bad = (hours > 24) | (minutes > 59) | (seconds > 60) | ((hours == 24) & (minutes + seconds > 0))
    if bad.any():
        raise Unreadable(int(np.flatnonzero(bad)[0]))
    return hours * 3600 + minutes * 60 + seconds, _nanoseconds_of_fraction(fields.get("fraction"), length)


def dates_of(years: np.ndarray, months: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Return the days, and the row of the first date that does not exist."""
    wrong = (months < 1) | (months > 12) | (days < 1) | (days > 31) | (years < 1) | (years > 9999)
    safe = np.where(wrong, 1, months)
    month = ((years - 1970) * 12 + safe - 1).astype("datetime64[M]")
    dates = month.astype("datetime64[D]") + (days - 1)
    wrong |= dates.astype("datetime64[M]") != month
    return dates, int(np.flatnonzero(wrong)[0]) if wrong.any() else None


def joined(dates: np.ndarray, seconds: np.ndarray, nanoseconds: np.ndarray) -> np.ndarray:
    """Return dates with a time of day, datetime64[ns], or datetime64[us] if a date is outside 1678 to 2261."""
    years = dates.astype("datetime64[Y]").astype(int) + 1970
    whole = dates.astype("datetime64[s]") + seconds
    if years.min() >= 1678 and years.max() <= 2261:
        return whole.astype("datetime64[ns]") + nanoseconds
    return whole.astype("datetime64[us]") + nanoseconds // 1000


def _choose_order(
    choices: list[tuple[str, np.ndarray]],
    seconds: np.ndarray,
    mark: str,
    options: ReadOptions,
    where: str,
    example: str,
) -> tuple[str, np.ndarray, list[str]]:
    """Choose between day first and month first: by the option, by the evenness of the steps, or by the dots."""
    if len(choices) > 1 and options.dayfirst is not None:
        wanted = "day first" if options.dayfirst else "month first"
        choices = [choice for choice in choices if choice[0] == wanted] or choices
    if len(choices) == 1:
        return *choices[0], []
    evenness = [even_share(dates.astype("datetime64[s]") + seconds) for _, dates in choices]
    order = np.argsort(evenness)[::-1]
    best, second = choices[order[0]], choices[order[1]]
    if evenness[order[0]] > evenness[order[1]] + 1e-3:
        return *best, [f"times are read {best[0]}, which gives more even steps than {second[0]}"]
    if mark == ".":
        dotted = next((choice for choice in choices if choice[0] == "day first"), best)
        return *dotted, ["times with dots are read day first"]
    raise InputError(
        f"times such as '{example[:30]}' may be day first or month first", where, "say --dayfirst or --no-dayfirst"
    )


def even_share(stamps: np.ndarray) -> float:
    """Return the share of steps that are near the median step; 0 if the median step is not positive."""
    steps = np.diff(stamps.astype(np.int64))
    if len(steps) == 0:
        return 0.0
    usual = np.median(steps)
    if usual == 0:
        return 0.0
    share = float(np.mean(np.abs(steps - usual) <= EVEN * abs(usual)))
    return share if usual > 0 else share - 1e-6


def _elapsed(text: pa.ChunkedArray, pattern: str = ELAPSED) -> Times:
    fields = _fields(text, pattern)
    length = len(text)
    if pattern == ELAPSED:
        first, second = (_integers(fields[name], length) for name in ("hours", "minutes"))
        third = fields["seconds"]
        with_third = pc.all(pc.not_equal(third, "")).as_py()
        if not with_third and pc.any(pc.not_equal(third, "")).as_py():
            raise Unreadable(int(np.flatnonzero(pc.equal(third, "").to_numpy())[0]))
        fraction = _nanoseconds_of_fraction(fields["fraction"], length)
        minutes_first = not with_third and pc.any(pc.not_equal(fields["fraction"], "")).as_py()
        larger = first * 60 if minutes_first else first * 3600 + second * 60
        seconds = larger + (second if minutes_first else _integers(third, length))
        seconds += _integers(fields["days"], length) * DAY
        negative = pc.equal(fields["sign"], "-").to_numpy()
        stamps = seconds * 1_000_000_000 + fraction
        stamps = np.where(negative, -stamps, stamps)
        form = "minutes:seconds" if minutes_first else "hours:minutes:seconds" if with_third else "hours:minutes"
    else:
        seconds, fraction = _clock(fields, length)
        stamps, form = seconds * 1_000_000_000 + fraction, "time of day"
    day = DAY * 1_000_000_000
    steps = np.diff(stamps)
    notes = []
    if stamps.max() < day and (steps < 0).any() and (steps[steps < 0] < -day // 2).all():
        stamps = stamps + day * np.concatenate([[0], np.cumsum(steps < 0)])
        notes.append(f"times of day without a date: {int((steps < 0).sum())} midnights were passed")
    return Times(stamps.astype("timedelta64[ns]"), f"elapsed {form}", notes=tuple(notes))


def _in_given_format(text: pa.ChunkedArray, form: str) -> Times:
    if form in EPOCH_UNITS or form == EXCEL:  # text in which no number was found
        try:
            numbers = pc.cast(text, pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            try:
                numbers = pc.cast(text, pa.float64()).to_numpy()
            except pa.ArrowInvalid as error:
                raise Unreadable(0) from error
        return epoch(numbers, form)
    values = pd.Series(text.to_pylist(), dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = pd.to_datetime(values, format=form, errors="coerce", utc="%z" in form)
        except ValueError as error:
            raise InputError(
                f"'{form}' is not a time format", "--time-format", "give one such as '%d.%m.%Y %H:%M'"
            ) from error
    if parsed.isna().any():
        raise Unreadable(int(np.flatnonzero(parsed.isna().to_numpy())[0]))
    stamps = parsed.dt.tz_localize(None) if parsed.dt.tz is not None else parsed
    times = Times(_resolution(stamps.to_numpy()), form)
    if parsed.dt.tz is not None:
        times = replace(times, zone="UTC", clock_offset=np.zeros(len(values), np.int32))
    return times


def _resolution(stamps: np.ndarray) -> np.ndarray:
    """Return stamps in ns, or in us if they are out of its range."""
    years = stamps.astype("datetime64[Y]").astype(int) + 1970
    return stamps.astype("datetime64[ns]" if years.min() >= 1678 and years.max() <= 2261 else "datetime64[us]")


def typed_times(column: pa.ChunkedArray) -> Times:
    """Return the times of a column of timestamps or dates."""
    zone = getattr(column.type, "tz", None)
    if column.null_count:
        raise Unreadable(int(np.flatnonzero(pc.is_null(column).to_numpy())[0]))
    if pa.types.is_duration(column.type):
        raw = pc.cast(column, pa.int64()).to_numpy().astype(f"timedelta64[{column.type.unit}]")
        return Times(raw.astype("timedelta64[ns]"), "elapsed")
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("us"))
    times = Times(_resolution(_numpy(column)), "typed")
    if zone is None:
        return times
    local = pc.cast(pc.local_timestamp(column), pa.int64()).to_numpy()
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    offsets = (local - pc.cast(column, pa.int64()).to_numpy()) // per_second
    return replace(times, zone=zone, clock_offset=offsets.astype(np.int32))


def in_zone(times: Times, zone: str, where: str) -> Times:
    """Read times without an offset as the clock of a zone; the repeated hour in autumn is resolved by the order."""
    if times.zone is not None:
        return times
    naive = pd.DatetimeIndex(times.stamps)
    try:
        aware = naive.tz_localize(zone, ambiguous="infer")
    except ValueError:
        try:
            aware = naive.tz_localize(zone, ambiguous=np.ones(len(naive), bool), nonexistent="shift_forward")
        except ValueError as error:
            raise InputError(f"times do not exist in {zone}: {error}", where, "check --timezone") from error
    utc = aware.tz_convert("UTC").tz_localize(None).to_numpy()
    stamps = _resolution(utc)
    offsets = (times.stamps - stamps) // np.timedelta64(1, "s")
    return replace(times, stamps=stamps, zone=zone, clock_offset=offsets.astype(np.int32))


def epoch(numbers: np.ndarray, unit: str) -> Times:
    """Return the times of numbers since 1970 in a unit, or of Excel's serial days."""
    if unit == EXCEL:
        seconds = np.round((numbers.astype(np.float64) - 25569) * DAY * 1000)
        return Times(seconds.astype("datetime64[ms]").astype("datetime64[ns]"), "Excel days")
    scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    if numbers.dtype.kind in "iu":
        nanoseconds = numbers.astype(np.int64) * scale
    else:
        whole = np.floor(numbers)
        nanoseconds = whole.astype(np.int64) * scale + np.round((numbers - whole) * scale).astype(np.int64)
    names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
    return Times(
        nanoseconds.astype("datetime64[ns]"), f"{names[unit]} since 1970", "UTC", np.zeros(len(numbers), np.int32)
    )


def numeric_times(numbers: np.ndarray, least_even: float = 0.0) -> Times | None:
    """Read numbers as epochs or as compact dates such as 20240131235900; None if they are neither."""
    if len(numbers) == 0 or not np.isfinite(numbers).all() or numbers.min() <= 0:
        return None
    choices = [_compact(numbers), *_epochs(numbers)]
    known = [choice for choice in choices if choice is not None]
    if not known:
        return None
    best = max(known, key=lambda times: even_share(times.stamps))
    return best if even_share(best.stamps) >= least_even else None


def _epochs(numbers: np.ndarray) -> list[Times]:
    found = []
    for unit, scale in zip(EPOCH_UNITS, (1.0, 1e3, 1e6, 1e9), strict=True):
        if numbers.min() >= EPOCH_FROM * scale and numbers.max() <= EPOCH_TO * scale:
            found.append(epoch(numbers, unit))
    return found


def _compact(numbers: np.ndarray) -> Times | None:
    if numbers.dtype.kind == "f":
        if (numbers != np.floor(numbers)).any() or numbers.max() >= 2.0**53:
            return None
        numbers = numbers.astype(np.int64)
    digits = {len(str(int(numbers.min()))), len(str(int(numbers.max())))}
    if len(digits) != 1 or (size := digits.pop()) not in (8, 10, 12, 14, 17):
        return None
    rest = numbers.astype(np.int64)
    parts = []
    nanoseconds = np.zeros(len(rest), np.int64)
    if size == 17:
        rest, milliseconds = rest // 1000, rest % 1000
        nanoseconds = milliseconds * 1_000_000
        size = 14
    while size > 8:
        rest, part = rest // 100, rest % 100
        parts.append(part)
        size -= 2
    parts = parts[::-1]  # hour, minute, second
    years, months, days = rest // 10000, rest // 100 % 100, rest % 100
    if years.min() < 1900 or years.max() > 2200:
        return None
    dates, wrong = dates_of(years, months, days)
    if wrong is not None or any((part > limit).any() for part, limit in zip(parts, (23, 59, 59), strict=False)):
        return None
    seconds = sum(
        (part * size for part, size in zip(parts, (3600, 60, 1), strict=False)), np.zeros(len(rest), np.int64)
    )
    form = "YYYYMMDD" + "HHMMSS"[: 2 * len(parts)]
    return Times(joined(dates, seconds, nanoseconds), f"compact {form}")
