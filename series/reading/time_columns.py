"""Find the columns of times, and those that only number the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading import times as time_cells
from ape.series.reading.names import COUNTERS, TIMES, WEAK_TIMES, key_of
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table, is_text
from ape.series.reading.times import Times, Unreadable

CALENDAR = ("year", "month", "day", "hour", "minute", "second")
ELAPSED_UNITS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "min": 60.0, "mins": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hours": 3600.0, "days": 86400.0, "d":
    86400.0,
}  # fmt: skip
ELAPSED_NAME = re.compile(
    r"^(?:time|t|elapsed|elapsed time|zeit)[\s_(\[]+(\w+)[)\]]?$|^(seconds|minutes|hours|days|ms)$", re.IGNORECASE
)
EVEN_SHARE = 0.9  # of the steps of an unnamed column of numbers, to be taken as times
NAMED_EVEN = 0.3
SINCE_1990 = 6.3e8  # seconds: smaller numbers of a column that is not named like times are no epochs


def find_times(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, table: Table, where: str
) -> tuple[Times | None, list[str], list[str]]:
    """Return the times, the columns that they take, and notes."""
    if calendar := _calendar(columns):
        return (*calendar, [])
    pair = _date_and_time(columns)
    if pair is not None:
        date, clock = pair
        joined = pc.binary_join_element_wise(_as_text(columns[date], 8), _as_text(columns[clock], 6, clock=True), " ")
        times = _parsed(joined, date, options, table, where)
        return times, [date, clock], [f"columns '{date}' and '{clock}' together are the times"]
    candidates = sorted(columns, key=lambda name: key_of(name) not in TIMES - WEAK_TIMES)
    notes: list[str] = []
    for name in candidates:
        cells = columns[name]
        position = list(columns).index(name)
        named = key_of(name) in TIMES or ELAPSED_NAME.match(name) is not None
        if not is_text(cells):
            if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type) or pa.types.is_duration(cells.type):
                try:
                    return time_cells.typed_times(cells), [name], notes
                except Unreadable as error:
                    raise _unreadable(cells, error.row, name, table, where) from error
            if not named and position > 0:
                continue
            numeric = _numpy_numbers(cells)
        else:
            if not named and position > 0 and not _looks_like_times(cells):
                continue
            numeric = _numbers_of_times(cells)
        if options.time_format not in (None, *time_cells.EPOCH_UNITS, time_cells.EXCEL):
            numeric = None
        if numeric is None:
            if not named and not _looks_like_times(cells):
                continue
            return _parsed(cells, name, options, table, where), [name], notes
        if numeric is not None and (named or position == 0):
            found, note = _numeric_times(name, numeric, named, options)
            if found is not None or note is not None:
                return found, [name], [note] if note else []
    return None, [], notes


def without_indices(
    columns: dict[str, pa.ChunkedArray], wanted: Sequence[str] | None
) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Leave out row numbers and second columns of times, unless they are asked for by name or all there is."""
    kept, notes = {}, []
    for position, (name, cells) in enumerate(columns.items()):
        if (wanted is not None and name in wanted) or len(columns) == 1:
            kept[name] = cells
            continue
        key = key_of(name)
        if not name and position == 0 and len(columns) > 1:
            notes.append("the unnamed first column was taken as an index and left out")
            continue
        if key in COUNTERS or key in TIMES - WEAK_TIMES:
            numbers = _numbers_of_times(cells) if is_text(cells) else _numpy_numbers(cells)
            steps = None if numbers is None or len(numbers) < 2 else np.diff(numbers)
            if steps is not None and key in COUNTERS and bool((steps == 1).all()):
                notes.append(f"column '{name}' is a step counter and was left out")
                continue
            if steps is not None and key in TIMES and bool((steps > 0).all()):
                notes.append(f"column '{name}' is a second column of times and was left out")
                continue
        kept[name] = cells
    return (kept, notes) if kept else (columns, [])


def _calendar(columns: dict[str, pa.ChunkedArray]) -> tuple[Times, list[str]] | None:
    """Return the times of columns ``year``, ``month``, ``day`` and so on."""
    names = {key_of(name): name for name in columns}
    parts = [part for part in CALENDAR if part in names]
    if not parts or parts != list(CALENDAR[: len(parts)]):
        return None
    fields = []
    for part in parts:
        try:
            fields.append(pc.cast(columns[names[part]], pa.int64()).to_numpy())
        except (pa.ArrowInvalid, ValueError):
            return None
    first = np.ones(len(fields[0]), np.int64)  # of the month, and of the year
    dates, wrong = time_cells.dates_of(*[*fields, first, first][:3])
    if wrong is not None or (len(fields) < 3 and (np.diff(dates) <= np.timedelta64(0, "D")).any()):
        return None
    seconds = sum(
        (f * size for f, size in zip(fields[3:], (3600, 60, 1), strict=False)), np.zeros(len(dates), np.int64)
    )
    stamps = time_cells.joined(dates, seconds, np.zeros(len(dates), np.int64))
    return Times(stamps, "calendar columns"), [names[part] for part in parts]


def _date_and_time(columns: dict[str, pa.ChunkedArray]) -> tuple[str, str] | None:
    """Return the names of a column of dates and a column of times of day."""
    dates, clocks = [], []
    for name, cells in columns.items():
        if not is_text(cells):
            continue
        sample = [cell.strip() for cell in cells.slice(0, 50).to_pylist() if cell and cell.strip()]
        if not sample:
            continue
        if all(time_cells.looks_like_date(cell) for cell in sample):
            if not sample[0].isdigit() or key_of(name) in TIMES:
                dates.append(name)
        elif all(time_cells.looks_like_time_of_day(cell) for cell in sample) or (
            key_of(name) in ("time", "timeofday", "zeit", "uhrzeit", "hora", "heure", "hhmmss", "clock")
            and all(re.fullmatch(r"\d{1,6}", cell) for cell in sample)
            and max(map(int, sample)) < 240000
        ):
            clocks.append(name)
    return (dates[0], clocks[0]) if dates and clocks else None


def _as_text(cells: pa.ChunkedArray, digits: int, clock: bool = False) -> pa.ChunkedArray:
    """Return cells as text; compact integers such as 500 (00:05:00) get their leading zeros."""
    text = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    if not clock:
        return text
    compact = pc.match_substring_regex(text, r"^\d{1,6}$")
    padded = pc.utf8_lpad(text, digits, "0")
    return pc.if_else(compact, padded, text)


def _looks_like_times(cells: pa.ChunkedArray) -> bool:
    sample = [cell for cell in cells.slice(0, 20).to_pylist() if cell is not None]
    middle = [cell for cell in cells.slice(len(cells) // 2, 20).to_pylist() if cell is not None]
    sample += middle
    return bool(sample) and sum(map(time_cells.looks_like_time, sample)) > 0.7 * len(sample)


def _numpy_numbers(cells: pa.ChunkedArray) -> np.ndarray | None:
    if pa.types.is_integer(cells.type) and not cells.null_count:
        return cells.to_numpy()
    if pa.types.is_floating(cells.type) and not cells.null_count:
        return cells.to_numpy().astype(np.float64)
    return None


def _numbers_of_times(cells: pa.ChunkedArray) -> np.ndarray | None:
    """Return a column of text as int64 or float64; None if it is not all numbers."""
    text = pc.utf8_trim_whitespace(cells)
    for kind in (pa.int64(), pa.float64()):
        try:
            result = pc.cast(text, kind)
        except pa.ArrowInvalid:
            continue
        values = result.to_numpy()
        return values if kind == pa.int64() or np.isfinite(values).all() else None
    return None


def _parsed(cells: pa.ChunkedArray, name: str, options: ReadOptions, table: Table, where: str) -> Times:
    text = pc.cast(cells, pa.string())
    place = f"{where}, column '{name}'"
    present = pc.utf8_trim_whitespace(text)
    blank = pc.fill_null(pc.equal(present, ""), True)
    if pc.any(blank).as_py():
        raise _unreadable(text, int(np.flatnonzero(blank.to_numpy())[0]), name, table, where)
    try:
        return time_cells.read_times(text, options, place)
    except Unreadable as error:
        raise _unreadable(text, error.row, name, table, where) from error


def _unreadable(cells: pa.ChunkedArray, row: int, name: str, table: Table, where: str) -> InputError:
    cell = str(cells[row].as_py() or "")[:30]
    return InputError(
        f"unreadable time {cell!r}" if cell else "a row without a time",
        f"{where}, column '{name}', row {row + table.first_row}",
        "write times as 2024-01-31 12:00:00, or say --time-format",
    )


def _numeric_times(
    name: str, numbers: np.ndarray, named: bool, options: ReadOptions
) -> tuple[Times | None, str | None]:
    """Return the times of a column of numbers, or a note that it counts steps; neither if it is a channel."""
    if options.time_format is not None and named:
        return time_cells.epoch(numbers, options.time_format), None
    strong = named and key_of(name) not in WEAK_TIMES
    unit = ELAPSED_NAME.match(name)
    found = time_cells.numeric_times(numbers, NAMED_EVEN if strong else EVEN_SHARE)
    plain = strong or found is None or found.format.startswith("compact") or numbers.min() > SINCE_1990
    if found is not None and plain:
        return found, None
    steps = np.diff(numbers)
    rises = len(steps) > 0 and bool((steps > 0).all())
    if unit is not None and rises:
        scale = ELAPSED_UNITS.get((unit[1] or unit[2]).lower())
        if scale is not None:
            stamps = np.rint(numbers.astype(np.float64) * scale * 1e9).astype(np.int64).astype("timedelta64[ns]")
            if (np.diff(stamps) > np.timedelta64(0, "ns")).all():
                return Times(stamps, f"elapsed {unit[1] or unit[2]}"), None
    if strong and not rises and numbers.min() > 1e7:
        raise InputError(
            f"numbers such as {numbers[0]} are not all dates or times since 1970",
            f"column '{name}'",
            "say --time-format",
        )
    if strong:
        excel = numbers.min() >= 20_000 and numbers.max() <= 80_000 and numbers.dtype.kind == "f"
        hint = "; if it has Excel's dates, say --time-format excel" if excel else ""
        return None, f"column '{name}' is a step counter and was left out{hint}"
    if not name or (key_of(name) in COUNTERS and len(steps) and bool((steps == 1).all())):
        return None, None  # an index
    if named and rises and time_cells.even_share(numbers.astype(np.float64) * 1e6) >= EVEN_SHARE:
        return None, f"column '{name}' is a step counter and was left out"
    return None, None
