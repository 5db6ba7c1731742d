"""Find the columns of times and read them."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.calendar_columns import calendar_times
from ape.series.reading.elapsed_times import ELAPSED_UNITS, elapsed_numbers, elapsed_unit, elapsed_with_unit
from ape.series.reading.indices import numbers_rows
from ape.series.reading.names import (
    DATES,
    DAY_NUMBERS,
    ROW_NUMBERS,
    SURE_TIMES,
    TIME_WORD,
    TIMES,
    TIMES_OF_DAY,
    WEAK_TIMES,
    YEARS,
    key_of,
)
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.options import EPOCH_UNITS, EXCEL, ReadOptions
from ape.series.reading.other_times import look_like_times
from ape.series.reading.split_times import (
    compact_clock,
    dates_and_clocks,
    has_dates,
    seconds_and_nanoseconds,
    with_halves,
    with_milliseconds,
    zone_column,
)
from ape.series.reading.table import Table, is_text
from ape.series.reading.time_cells import looks_like_time_of_day, read_times
from ape.series.reading.time_numbers import (
    EXCEL_DAYS,
    are_parts_of_days,
    counted_days,
    decimal_years,
    is_recent,
    numbers_in_format,
    numeric_times,
)
from ape.series.reading.time_spellings import plain_time, plain_times
from ape.series.reading.time_zones import in_zone, is_region, zone_offsets
from ape.series.reading.times import Times, Unreadable, even_share
from ape.series.reading.typed_times import has_times, read_typed

DIGITS_WITH_CLOCK = re.compile(r"^\d{10,20}(?:\.\d*)?$")  # numbers that have a date and a time of day
DIGITS = re.compile(r"^\d{8,20}(?:\.\d*)?$")  # numbers that may be times in a column of any name
EVEN_SHARE = 0.9  # of the steps of an unnamed column of numbers, to be taken as times
NAMED_EVEN = 0.3
MOST_FALLS = 0.1  # of the steps of numbers that count time
SINCE_1990 = 6.3e8  # seconds: smaller numbers of a column that is not named like times are no epochs


def find_times(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, table: Table, where: str
) -> tuple[Times | None, list[str], list[str]]:
    """Return the times, the columns that they take, and notes. Times with a zone, or in ``--timezone``, are in UTC."""
    columns, clock, half = with_halves(columns)
    times, used, notes = _find_clock(columns, options, table, where)
    if clock in used and half is not None:
        used = [*used, half]
    if times is not None and times.stamps.dtype.kind == "M":
        others = {name: cells for name, cells in columns.items() if name not in used}
        times, fraction = with_milliseconds(times, others, len(used) > 1)
        used = used if fraction is None else [*used, fraction]
    if times is None or times.stamps.dtype.kind != "M" or times.zone is not None:
        return times, used, notes
    name = zone_column({name: cells for name, cells in columns.items() if name not in used})
    if name is not None:
        zones = pc.utf8_trim_whitespace(columns[name])
        region = zones[0].as_py()
        used = [*used, name]
        if is_region(region) and pc.all(pc.equal(zones, region)).as_py():
            return in_zone(times, region, where), used, notes
        zone, offsets = zone_offsets(zones, options.timezone, f"{where}, column '{name}'")
        stamps = times.stamps - offsets.astype("timedelta64[s]")
        return Times(stamps, times.format, zone, offsets, times.notes), used, notes
    if options.timezone is not None:
        times = in_zone(times, options.timezone, where)
    return times, used, notes


def _find_clock(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, table: Table, where: str
) -> tuple[Times | None, list[str], list[str]]:
    """Return the times on the clock of the file, the columns that they take, and notes."""
    whole = [name for name, cells in columns.items() if _has_date_and_clock(name, cells)]
    if not any(key_of(name) in SURE_TIMES for name in whole):
        joined = _joined_columns(columns, options, table, where)
        if joined is not None:
            if not whole or np.diff(joined[0].stamps).all():
                return joined
            columns = {name: cells for name, cells in columns.items() if name not in joined[1]}  # its date and hour
    return _one_column(columns, options, table, where)


def _has_date_and_clock(name: str, cells: pa.ChunkedArray) -> bool:
    """Whether the cells of a column have a date and a time of day each, so that no other column is needed."""
    if not is_text(cells) and not pa.types.is_timestamp(cells.type):
        return key_of(name) in SURE_TIMES and all(map(DIGITS_WITH_CLOCK.match, _sample(cells)))
    sample = _sample(cells)
    if key_of(name) in SURE_TIMES and sample and all(map(DIGITS_WITH_CLOCK.match, sample)):
        return True
    seems = pa.types.is_timestamp(cells.type) or look_like_times(cells)
    return seems and not has_dates(name, cells) and not all(map(looks_like_time_of_day, sample))


def _joined_columns(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, table: Table, where: str
) -> tuple[Times, list[str], list[str]] | None:
    """Return the times that several columns have together, the columns, and notes."""
    if parts := calendar_times(columns) or seconds_and_nanoseconds(columns):
        return (*parts, [])
    for pair in dates_and_clocks(columns):
        try:
            times = _read_text(pair.text, pair.date, options, table, where)
        except InputError:
            if pair.sure:
                raise
            continue
        if pair.fits(times.stamps):
            note = f"columns '{pair.date}' and '{pair.clock}' together are the times"
            return times, [pair.date, pair.clock], [note, *_filled_dates(columns[pair.date], times, pair.date, where)]
    return None


def _one_column(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, table: Table, where: str
) -> tuple[Times | None, list[str], list[str]]:
    """Return the times of one column, the columns that are no channels, and notes."""
    first = next(iter(columns), None)
    dropped: list[str] = []
    notes: list[str] = []
    for name in sorted(columns, key=lambda name: _rank(name, columns[name], first)):
        cells = columns[name]
        if has_times(cells):
            try:
                return read_typed(cells), [name], []
            except Unreadable as error:
                raise _unreadable(cells, error.row, name, table, where) from error
        named = key_of(name) in TIMES | DAY_NUMBERS or elapsed_unit(name) is not None
        candidate = named or key_of(name) in YEARS or name == first or TIME_WORD.search(name) is not None
        if is_text(cells) and any(plain_time(cell) != cell for cell in _sample(cells)):
            cells = plain_times(cells)
        formatted = options.time_format not in (None, *EPOCH_UNITS, EXCEL)
        if candidate and (elapsed := elapsed_with_unit(cells)) is not None:
            rises = (np.diff(elapsed.stamps) > np.timedelta64(0, "ns")).all()
            if rises and (named or even_share(elapsed.stamps) >= EVEN_SHARE):
                return elapsed, [name], []
        numbers = None
        if not (formatted and is_text(cells)) and (candidate or all(map(DIGITS.match, _sample(cells)))):
            numbers = plain_numbers(cells, table.separator, options.decimal)
        if numbers is not None:
            found, reason = _numeric_times(name, numbers, named, options, where)
            if found is not None:
                return found, [name], []
            if reason is not None:
                dropped.append(name)
                notes.append(reason)
        elif pa.types.is_time(cells.type) or look_like_times(cells) or (named and is_text(cells)):
            return _read_text(cells, name, options, table, where), [name], []
    return None, dropped, notes


def _rank(name: str, cells: pa.ChunkedArray, first: str | None) -> int:
    """Return a number by which the columns that have times most surely come first."""
    if key_of(name) in SURE_TIMES:
        return 0 if _has_date_and_clock(name, cells) else 1
    if has_times(cells) or look_like_times(cells):
        return 2
    return 3 if name == first or TIME_WORD.search(name) else 4


def _sample(cells: pa.ChunkedArray) -> list[str]:
    return [cell.strip() for cell in pc.cast(cells.slice(0, 20), pa.string()).to_pylist() if cell]


def _filled_dates(dates: pa.ChunkedArray, times: Times, name: str, where: str) -> list[str]:
    """Return a note on rows that have the date of an earlier row; refuse them unless the times rise or fall."""
    blank = pc.sum(pc.fill_null(pc.equal(pc.utf8_trim_whitespace(pc.cast(dates, pa.string())), ""), True)).as_py()
    if not blank:
        return []
    steps = np.diff(times.stamps).astype(np.int64)
    if (steps < 0).any() and (steps > 0).any():
        raise InputError(
            f"{blank} rows have a time of day and no date", f"{where}, column '{name}'", "write the date in each row"
        )
    return [f"column '{name}': {blank} rows without a date have the date of the row above"]


def _read_text(cells: pa.ChunkedArray, name: str, options: ReadOptions, table: Table, where: str) -> Times:
    text = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    blank = pc.fill_null(pc.equal(text, ""), True)
    if pc.any(blank).as_py():
        raise _unreadable(text, int(np.flatnonzero(blank.to_numpy())[0]), name, table, where)
    try:
        return read_times(text, options, f"{where}, column '{name}'")
    except Unreadable as error:
        raise _unreadable(text, error.row, name, table, where) from error


def _unreadable(cells: pa.ChunkedArray, row: int, name: str, table: Table, where: str) -> InputError:
    cell = str(cells[row].as_py() or "")[:30]
    return InputError(
        f"unreadable time {cell!r}" if cell else "a row without a time",
        f"{where}, column '{name}', row {table.line(row)}",
        "write times as 2024-01-31 12:00:00, or say --time-format",
    )


def _numeric_times(
    name: str, numbers: np.ndarray, named: bool, options: ReadOptions, where: str
) -> tuple[Times | None, str | None]:
    """Return the times of a column of numbers, or a note that it counts steps; neither if it is a channel."""
    key = key_of(name)
    strong = named and key not in WEAK_TIMES
    suggested = strong or TIME_WORD.search(name) is not None
    rises = len(numbers) > 1 and bool((np.diff(numbers) > 0).all())
    if named and options.time_format is not None:
        return numbers_in_format(numbers, options.time_format), None
    if key in YEARS and (years := decimal_years(numbers)) is not None:
        return years, None
    found = numeric_times(numbers, NAMED_EVEN if strong else EVEN_SHARE, suggested)
    if found is None and suggested and rises:  # an irregular clock
        found = numeric_times(numbers, 0.0, True)
        found = found if found is not None and is_recent(found.stamps) else None
    if (
        found is not None
        and (strong or found.format.startswith("compact") or numbers.min() > SINCE_1990)
        and (named or _moves_one_way(numbers))
        and not (key in ROW_NUMBERS and _are_rows(numbers, found))
    ):
        return found, None
    if strong and (found := _day_before_month(numbers, options, where)) is not None:
        return found, None
    if key in TIMES_OF_DAY and (found := _hours_and_minutes(numbers, options, where)) is not None:
        return found, None
    if rises and (unit := elapsed_unit(name)) is not None and unit.lower() in ELAPSED_UNITS:
        elapsed = elapsed_numbers(numbers, unit)
        if (np.diff(elapsed.stamps) > np.timedelta64(0, "ns")).all():
            return elapsed, None
    days = counted_days(numbers, key == "mjd") if strong and len(numbers) > 1 else None
    if days is not None:
        if key in DATES | DAY_NUMBERS or (rises and are_parts_of_days(numbers)):
            return days, None
        if rises and days.format == EXCEL_DAYS:
            return None, f"column '{name}' was left out; if it has Excel's dates, say --time-format excel"
    if strong and key not in SURE_TIMES | DAY_NUMBERS and (np.diff(numbers) < 0).mean() > MOST_FALLS:
        return None, None  # a measurement such as time_constant
    if strong and not rises and np.median(numbers) > 1e7:
        raise InputError(
            f"numbers such as {numbers[0]} are not all dates or times since 1970",
            f"column '{name}'",
            "say --time-format",
        )
    if strong:
        even = even_share((numbers - numbers[0]) * 1e6) >= EVEN_SHARE
        what = "has no times that rise" if not rises else "is a step counter" if even else "has no times that are known"
        return None, f"column '{name}' {what} and was left out"
    if not name or (key in ROW_NUMBERS and numbers_rows(numbers)):
        return None, None  # an index
    if named and rises and even_share(numbers.astype(np.float64) * 1e6) >= EVEN_SHARE:
        return None, f"column '{name}' is a step counter and was left out"
    return None, None


def _are_rows(numbers: np.ndarray, times: Times) -> bool:
    """Whether numbers count the rows, and reading them as times does not make their steps more even."""
    return numbers_rows(numbers) and even_share(numbers.astype(np.int64)) >= even_share(times.stamps)


def _moves_one_way(numbers: np.ndarray) -> bool:
    """Whether numbers rise or fall but for a few swapped rows, or each occurs equally often, as in long tables."""
    steps = np.diff(numbers)
    if max((steps > 0).mean(), (steps < 0).mean()) >= EVEN_SHARE:
        return True
    counts = np.unique(numbers, return_counts=True)[1]
    return len(counts) > 2 and bool(counts.min() == counts.max() > 1)


def _day_before_month(numbers: np.ndarray, options: ReadOptions, where: str) -> Times | None:
    """Read numbers such as 31012024 or 1312024."""
    if numbers.dtype.kind not in "iu" or numbers.min() < 10**6 or numbers.max() >= 10**8:
        return None
    text = pc.utf8_lpad(pc.cast(pa.chunked_array([pa.array(numbers)]), pa.string()), 8, "0")
    text = pc.replace_substring_regex(text, r"^(\d\d)(\d\d)(\d{4})$", r"\1-\2-\3")
    try:
        return read_times(text, options, where)
    except Unreadable:
        return None


def _hours_and_minutes(numbers: np.ndarray, options: ReadOptions, where: str) -> Times | None:
    """Read numbers such as 2350 as times of day; None unless that makes the steps even."""
    if numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() < 100:
        return None
    text = compact_clock(pc.cast(pa.chunked_array([pa.array(numbers)]), pa.string()), numbers, "")
    try:
        found = None if text is None else read_times(text, options, where)
    except Unreadable:
        return None
    even = found is not None and even_share(found.stamps) >= max(
        EVEN_SHARE, even_share(numbers.astype(np.int64)) + 1e-3
    )
    return found if even else None
