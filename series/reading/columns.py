"""Decide what each column of a table is: times, channel, label, text, counter of rows, or name of a series."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading import numbers as number_cells
from ape.series.reading import times as time_cells
from ape.series.reading.numbers import Marks, Numbers, choose_decimal, cleaned, find_marks, read_numbers, sentinel_note
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table
from ape.series.reading.times import Times, Unreadable

LABELS = {
    "label", "labels", "anomaly", "anomalies", "isanomaly", "isanomalous", "anomalous", "outlier", "outliers", "isoutlier",
    "attack", "isattack", "attacklabel", "normalattack", "attackflag", "changepoint", "groundtruth", "gt", "targetlabel", "class",
    "anomalylabel", "anomalyflag", "labelanomaly", "ytrue", "isfault", "faultlabel", "isabnormal", "abnormal", "anomalous",
}  # fmt: skip
LABELS_IF_BINARY = {"y", "target", "fault", "faulty", "flag", "event", "isevent", "failure", "machinestatus", "truth"}
LABEL_WORDS = ("anomal", "attack", "outlier", "label", "abnormal")
TIMES = {
    "timestamp", "timestamps", "time", "times", "datetime", "date", "ts", "dateandtime", "datetimeutc", "timeutc", "timestamputc",
    "utctime", "utc", "localtime", "epoch", "unixtime", "unixtimestamp", "unix", "zeit", "datum", "datumzeit", "zeitstempel",
    "uhrzeit", "zeitpunkt", "fecha", "hora", "fechahora", "horodatage", "heure", "dateheure", "tijd", "dataora", "timeofday",
    "eventtime", "recordedat", "createdat", "measuredat", "datetimelocal", "timestamplocal", "timelocal", "tstamp", "timestampms",
    "timestamps", "timestampns", "timestampus", "t", "elapsed", "elapsedtime", "dt",
}  # fmt: skip
WEAK_TIMES = {"t", "dt", "elapsed", "elapsedtime"}
COUNTERS = {"", "index", "idx", "id", "row", "rownumber", "no", "nr", "number", "step", "unnamed0", "record", "recordid", "sample", "n", "count"}
SERIES_NAMES = {"id", "sensor", "sensorid", "sensorname", "series", "seriesid", "tag", "tagname", "name", "metric", "variable",
    "channel", "device", "deviceid", "item", "itemid", "uniqueid", "signal", "parameter", "entity", "host", "unit", "kpi",
    "kpiid", "station", "machine", "machineid", "symbol", "location", "key", "measurement", "type"}  # fmt: skip
CALENDAR = ("year", "month", "day", "hour", "minute", "second")
ELAPSED_UNITS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "min": 60.0, "mins": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hours": 3600.0, "days": 86400.0, "d": 86400.0,
}  # fmt: skip
ELAPSED_NAME = re.compile(r"^(?:time|t|elapsed|elapsed time|zeit)[\s_(\[]+(\w+)[)\]]?$|^(seconds|minutes|hours|days|ms)$", re.IGNORECASE)
TEXT_SHARE = 0.5  # of the cells: a column with fewer numbers is text
MOST_SERIES = 5_000  # of a long table
SHARED_TIMES = 0.9  # of all times: what each series of a long table has at least, to be pivoted without asking
EVEN_SHARE = 0.9  # of the steps of an unnamed column of numbers, to be taken as times
NAMED_EVEN = 0.3


@dataclass(frozen=True)
class Columns:
    """The columns of a table by their meaning.

    Parameters
    ----------
    values : ndarray, float64 [n, C]
    names : tuple of str
        Channels.
    times : Times or None
    time_column : str or None
    exact : dict of ndarray
        int64 values of channels that float64 does not represent, by name.
    left_out : tuple of str
        Other columns, with the reason.
    notes : tuple of str
    """

    values: np.ndarray
    names: tuple[str, ...]
    times: Times | None = None
    time_column: str | None = None
    exact: dict[str, np.ndarray] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def interpret(table: Table, options: ReadOptions, column: Sequence[str] | None, where: str) -> Columns:
    """Split a table into times and channels.

    Parameters
    ----------
    table : Table
    options : ReadOptions
    column : sequence of str, optional
        Channels to use. By default all columns of numbers.
    where : str

    Raises
    ------
    InputError
        A cell is unreadable, or the table can be read in several ways.
    """
    notes = list(table.notes)
    columns = dict(table.columns)
    times, used, time_notes = _find_times(columns, options, table, where)
    notes += time_notes
    rest = {name: cells for name, cells in columns.items() if name not in used}
    time_column = " and ".join(used) if used else None
    if options.timezone is not None and times is not None and times.stamps.dtype.kind == "M":
        times = time_cells.in_zone(times, options.timezone, where)
    rest, index_notes = _without_indices(rest, column)
    notes += index_notes
    series_column = _series_column(rest, times, options, column, where)
    if series_column is not None:
        return _from_long(rest, times, time_column, series_column, options, column, table, tuple(notes), where)
    wide = _channels(rest, options, column, table, where)
    return replace(wide, times=times, time_column=time_column, notes=(*notes, *wide.notes))


def _without_indices(
    columns: dict[str, pa.ChunkedArray], wanted: Sequence[str] | None
) -> tuple[dict[str, pa.ChunkedArray], list[str]]:
    """Leave out row numbers and second columns of times, unless they are asked for by name or all there is."""
    kept, notes = {}, []
    for position, (name, cells) in enumerate(columns.items()):
        if (wanted is not None and name in wanted) or len(columns) == 1:
            kept[name] = cells
            continue
        key = _key(name)
        if not name and position == 0 and len(columns) > 1:
            notes.append("the unnamed first column was taken as an index and left out")
            continue
        if key in COUNTERS or key in TIMES - WEAK_TIMES:
            numbers = _numbers_of_times(cells) if _is_text(cells) else _numpy_numbers(cells)
            steps = None if numbers is None or len(numbers) < 2 else np.diff(numbers)
            if steps is not None and key in COUNTERS and bool((steps == 1).all()):
                notes.append(f"column '{name}' is a step counter and was left out")
                continue
            if steps is not None and key in TIMES and bool((steps > 0).all()):
                notes.append(f"column '{name}' is a second column of times and was left out")
                continue
        kept[name] = cells
    return (kept, notes) if kept else (columns, [])


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_text(cells: pa.ChunkedArray) -> bool:
    return pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type) or pa.types.is_null(cells.type)


def _find_times(
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
    candidates = sorted(columns, key=lambda name: _key(name) not in TIMES - WEAK_TIMES)
    notes: list[str] = []
    for name in candidates:
        cells = columns[name]
        position = list(columns).index(name)
        named = _key(name) in TIMES or ELAPSED_NAME.match(name) is not None
        if not _is_text(cells):
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
        if numeric is None:
            if not named and not _looks_like_times(cells):
                continue
            return _parsed(cells, name, options, table, where), [name], notes
        if numeric is not None and (named or position == 0):
            found, note = _numeric_times(name, numeric, named, options)
            if found is not None or note is not None:
                return found, [name], [note] if note else []
    return None, [], notes


def _as_text(cells: pa.ChunkedArray, digits: int, clock: bool = False) -> pa.ChunkedArray:
    """Return cells as text; compact integers such as 500 (00:05:00) get their leading zeros."""
    text = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
    if not clock:
        return text
    compact = pc.match_substring_regex(text, r"^\d{1,6}$")
    padded = pc.utf8_lpad(text, digits, "0")
    return pc.if_else(compact, padded, text)


def _calendar(columns: dict[str, pa.ChunkedArray]) -> tuple[Times, list[str]] | None:
    """Return the times of columns ``year``, ``month``, ``day`` and so on."""
    names = {_key(name): name for name in columns}
    parts = [part for part in CALENDAR if part in names]
    if parts[:3] != list(CALENDAR[:3]):
        return None
    fields = []
    for part in parts:
        try:
            fields.append(pc.cast(columns[names[part]], pa.int64()).to_numpy())
        except (pa.ArrowInvalid, ValueError):
            return None
    dates, wrong = time_cells._dates(*fields[:3])
    if wrong is not None:
        return None
    seconds = sum((f * size for f, size in zip(fields[3:], (3600, 60, 1), strict=False)), np.zeros(len(dates), np.int64))
    stamps = time_cells._joined(dates, seconds, np.zeros(len(dates), np.int64))
    return Times(stamps, "calendar columns"), [names[part] for part in parts]


def _date_and_time(columns: dict[str, pa.ChunkedArray]) -> tuple[str, str] | None:
    """Return the names of a column of dates and a column of times of day."""
    dates, clocks = [], []
    for name, cells in columns.items():
        if not _is_text(cells):
            continue
        sample = [cell.strip() for cell in cells.slice(0, 50).to_pylist() if cell and cell.strip()]
        if not sample:
            continue
        if all(time_cells.looks_like_date(cell) for cell in sample):
            if not sample[0].isdigit() or _key(name) in TIMES:
                dates.append(name)
        elif all(time_cells.looks_like_time_of_day(cell) for cell in sample) or (
            _key(name) in ("time", "timeofday", "zeit", "uhrzeit", "hora", "heure", "hhmmss", "clock")
            and all(re.fullmatch(r"\d{1,6}", cell) for cell in sample)
            and max(map(int, sample)) < 240000
        ):
            clocks.append(name)
    return (dates[0], clocks[0]) if dates and clocks else None


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
        if options.time_format in (*time_cells.EPOCH_UNITS, time_cells.EXCEL):
            return time_cells.epoch(numbers, options.time_format), None
        text = pa.chunked_array([pa.array([str(each) for each in numbers])])
        return time_cells.read_times(text, options, name), None
    strong = named and _key(name) not in WEAK_TIMES
    unit = ELAPSED_NAME.match(name)
    found = time_cells.numeric_times(numbers, NAMED_EVEN if strong else EVEN_SHARE)
    if found is not None and (strong or not name or time_cells.even_share(found.stamps) >= EVEN_SHARE):
        if strong or found.format.startswith("compact") or numbers.min() > 6.3e8:
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
            f"numbers such as {numbers[0]} are not all dates or times since 1970", f"column '{name}'", "say --time-format"
        )
    if strong:
        excel = 20_000 <= numbers.min() and numbers.max() <= 80_000 and numbers.dtype.kind == "f"
        hint = "; if it has Excel's dates, say --time-format excel" if excel else ""
        return None, f"column '{name}' is a step counter and was left out{hint}"
    if not name or (_key(name) in COUNTERS and len(steps) and bool((steps == 1).all())):
        return None, None  # an index
    if named and rises and time_cells.even_share(numbers.astype(np.float64) * 1e6) >= EVEN_SHARE:
        return None, f"column '{name}' is a step counter and was left out"
    return None, None


def _label_reason(name: str, cells: pa.ChunkedArray) -> str | None:
    key = _key(name)
    if key in LABELS:
        return f"column '{name}' looks like labels and was left out"
    if key in LABELS_IF_BINARY or any(word in key for word in LABEL_WORDS):
        few = pc.unique(cells.slice(0, 1000)).drop_null() if len(cells) else []
        if len(few) <= 3 and len(pc.unique(cells).drop_null()) <= 3 and _binary(few.to_pylist()):
            return f"column '{name}' looks like labels and was left out"
    return None


def _binary(values: Sequence[object]) -> bool:
    words = {str(value).strip().lower() for value in values} - {""}
    return words <= {"0", "1", "0.0", "1.0", "-1", "true", "false"} or not any(
        number_cells.looks_like_number(word) for word in words
    )


def _channels(
    columns: dict[str, pa.ChunkedArray], options: ReadOptions, column: Sequence[str] | None, table: Table, where: str
) -> Columns:
    wanted = list(columns) if column is None else [name.strip() for name in column]
    for name in wanted:
        if name not in columns:
            raise InputError(f"no numeric column '{name}'", where, f"give one of {', '.join(list(columns)[:30])}")
    left_out, notes, kept = [], [], []
    for name in wanted:
        reason = _label_reason(name, columns[name]) if column is None else None
        if reason is not None:
            notes.append(reason)
            left_out.append(f"{name} (labels)")
        else:
            kept.append(name)
    texts = {name: cleaned(columns[name], options.missing) for name in kept if _is_text(columns[name])}
    texts = {name: _null_as_text(text) for name, text in texts.items()}
    marks = {name: find_marks(text) if _has_marks(text, options) else Marks() for name, text in texts.items()}
    plausible = {name: mark for name, mark in marks.items() if _mostly_numbers(texts[name])}
    decimals, decimal_notes = choose_decimal(plausible, table.separator, options.decimal, where)
    notes += decimal_notes
    values: dict[str, np.ndarray] = {}
    reasons: list[InputError] = []
    exact: dict[str, np.ndarray] = {}
    for name in kept:
        if name in texts:
            if name in plausible:
                result = read_numbers(texts[name], decimals[name])
            else:
                result = Numbers(np.full(len(texts[name]), np.nan), pc.is_valid(texts[name]).to_numpy())
        else:
            result = _typed_numbers(columns[name])
        problem = _problem(name, result, column is not None, columns[name], table, where)
        if problem is None:
            shown = name or "value"
            _require_digits(result.values, texts.get(name), f"{where}, column '{shown}'")
            values[shown] = result.values
            notes += [f"column '{shown}': {note}" for note in result.notes]
            if result.exact is not None:
                exact[shown] = result.exact
            if (note := sentinel_note(result.values)) is not None:
                notes.append(f"column '{shown}': {note}")
        else:
            notes.append(problem[0])
            left_out.append(problem[1])
            reasons.append(_why_no_number(name, result, columns[name], table, where))
    if not values:
        if len(reasons) == 1:
            raise reasons[0]
        what = "no number column" if not left_out else f"no number column: left out {', '.join(left_out)[:80]}"
        raise InputError(what, where, "give at least one column of numbers, or name one with --column")
    return Columns(
        np.column_stack(list(values.values())), tuple(values), exact=exact, left_out=tuple(left_out), notes=tuple(notes)
    )


def _null_as_text(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(text, pa.string())


def _has_marks(text: pa.ChunkedArray, options: ReadOptions) -> bool:
    return options.decimal is None


def _mostly_numbers(text: pa.ChunkedArray) -> bool:
    """Whether most cells of samples from the whole column contain numbers."""
    present = text.drop_null()
    if len(present) == 0:
        return True
    step = max(1, len(present) // 200)
    cells = present.take(pa.array(np.arange(0, len(present), step))).to_pylist()
    return sum(map(number_cells.looks_like_number, cells)) > TEXT_SHARE * len(cells)


def _require_digits(values: np.ndarray, text: pa.ChunkedArray | None, place: str) -> None:
    """Refuse a column whose different numbers are equal as float64."""
    if text is None or len(values) == 0 or np.ptp(values) > 0 or not np.abs(values[0]) > 1e15:
        return
    if len(pc.unique(text)) > 1:
        raise InputError(
            f"values near {values[0]:.6g} vary by less than float64 represents there",
            place,
            "subtract the level before writing the file",
        )


def _typed_numbers(cells: pa.ChunkedArray) -> Numbers:
    kind = cells.type
    if pa.types.is_integer(kind):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        large = len(values) and not cells.null_count and np.abs(values).max() >= 2.0**53
        exact = pc.cast(cells, pa.int64()).to_numpy() if large and not pa.types.is_uint64(kind) else None
        return Numbers(values, np.zeros(len(values), bool), exact)
    if pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        return Numbers(values, np.zeros(len(values), bool))
    return Numbers(np.full(len(cells), np.nan), np.ones(len(cells), bool))


def _problem(
    name: str, result: Numbers, chosen: bool, cells: pa.ChunkedArray, table: Table, where: str
) -> tuple[str, str] | None:
    """Return the note and the reason why a column is left out; refuse stray text in a column of numbers."""
    bad = result.bad
    present = int(np.isfinite(result.values).sum()) + int(np.isinf(result.values).sum())
    place = f"{where}, column '{name}'"
    if not bad.any():
        if present == 0 and len(result.values):
            if chosen:
                raise InputError("the column is empty", place, "choose other columns with --column")
            return f"column '{name}' is empty and was left out", f"{name} (empty)"
        return None
    different = next((note for note in result.notes if note.startswith("cells have different units")), None)
    row = int(np.flatnonzero(bad)[0])
    cell = str(cells[row].as_py())[:30]
    if different is not None and bad.sum() > 0.05 * len(bad):
        raise InputError(different, place, "write them in one unit, or choose other columns with --column")
    if chosen or present > TEXT_SHARE * (present + int(bad.sum())):
        raise InputError(
            f"text {cell!r} in a number column",
            f"{place}, row {row + table.first_row}",
            "fix the cell, say --missing if it means a missing value, or choose other columns with --column",
        )
    return f"column '{name}' is text and was left out", f"{name} (text)"


def _why_no_number(name: str, result: Numbers, cells: pa.ChunkedArray, table: Table, where: str) -> InputError:
    """Return the error for a file whose only column has no numbers."""
    place = f"{where}, column '{name}'"
    if not result.bad.any():
        return InputError(f"only missing values, {len(result.values)} of them", place, "give a column of numbers")
    row = int(np.flatnonzero(result.bad)[0])
    return InputError(
        f"text {str(cells[row].as_py())[:30]!r} in a number column",
        f"{place}, row {row + table.first_row}",
        "give a column of numbers",
    )


def _series_column(
    columns: dict[str, pa.ChunkedArray],
    times: Times | None,
    options: ReadOptions,
    column: Sequence[str] | None,
    where: str,
) -> tuple[str, str | None] | None:
    """Return the column of a long table that names the series, and the one series to read."""
    given = options.series_column
    if given is not None:
        name, _, value = given.partition("=")
        if given in columns:
            name, value = given, ""
        if name not in columns:
            raise InputError(f"no column '{name}'", where, f"give one of {', '.join(list(columns)[:30])}")
        return name, value or None
    if times is None or len(times.stamps) < 4:
        return None
    distinct = len(np.unique(times.stamps))
    if distinct > 0.6 * len(times.stamps):
        _refuse_joined_series(columns, column, where)
        return None
    for name in sorted(columns, key=lambda each: _key(each) not in SERIES_NAMES):
        codes = _codes(columns[name])
        count = int(codes.max()) + 1
        if not 2 <= count <= min(MOST_SERIES, len(codes) // 2):
            continue
        if _key(name) not in SERIES_NAMES and not _is_text(columns[name]):
            continue
        if _key(name) in LABELS or _key(name) in TIMES:
            continue
        pairs = np.unique(np.column_stack([codes, times.stamps.astype(np.int64)]), axis=0)
        if len(pairs) < 0.95 * len(codes):
            continue
        if len(codes) < SHARED_TIMES * distinct * count:
            raise InputError(
                f"a long table: column '{name}' names {count} series with different times",
                where,
                f"read one with --series-column {name}={columns[name][0].as_py()}, or all with --series-column {name}",
            )
        return name, None
    return None


def _refuse_joined_series(columns: dict[str, pa.ChunkedArray], column: Sequence[str] | None, where: str) -> None:
    """Refuse a table of several series with different times, which would become one series."""
    for name, cells in columns.items():
        if _key(name) not in SERIES_NAMES - {"type", "unit", "location", "name", "number"} or (column and name in column):
            continue
        if not _is_text(cells) and not pa.types.is_integer(cells.type):
            continue
        if _is_text(cells) and _key(name) not in ("id", "sensorid", "machineid", "deviceid", "itemid", "uniqueid"):
            if _mostly_numbers(cleaned(cells)):
                continue
        codes = _codes(cells)
        count = int(codes.max()) + 1
        if 2 <= count <= min(MOST_SERIES, len(codes) // 10):
            raise InputError(
                f"column '{name}' names {count} series with different times",
                where,
                f"read one with --series-column {name}={cells[0].as_py()}, or all as channels with --series-column {name}",
            )


def _codes(cells: pa.ChunkedArray) -> np.ndarray:
    coded = pc.dictionary_encode(cells, null_encoding="encode").combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0)
    return coded.indices.to_numpy(zero_copy_only=False)


def _from_long(
    columns: dict[str, pa.ChunkedArray],
    times: Times | None,
    time_column: str | None,
    series_column: tuple[str, str | None],
    options: ReadOptions,
    column: Sequence[str] | None,
    table: Table,
    notes: tuple[str, ...],
    where: str,
) -> Columns:
    """Read one series of a long table, or turn its series into channels."""
    name, value = series_column
    ids = pc.utf8_trim_whitespace(pc.cast(columns[name], pa.string()))
    rest = {each: cells for each, cells in columns.items() if each != name}
    if value is not None:
        chosen = pc.equal(ids, value)
        count = pc.sum(chosen).as_py() or 0
        if count == 0:
            known = ", ".join(map(str, pc.unique(ids).to_pylist()[:20]))
            raise InputError(f"no series '{value}' in column '{name}'", where, f"give one of {known}")
        rows = np.flatnonzero(chosen.to_numpy())
        part = {each: cells.take(pa.array(rows)) for each, cells in rest.items()}
        wide = _channels(part, options, column, table, where)
        own = None if times is None else _rows_of(times, rows)
        note = f"a long table: only the series '{value}' of column '{name}' is read"
        return replace(wide, times=own, time_column=time_column, notes=(*notes, note, *wide.notes))
    if times is None:
        raise InputError(
            "a long table without times cannot be pivoted", where, f"read one series with --series-column {name}=NAME"
        )
    codes = _codes(ids)
    labels = [str(each) for each in pc.unique(ids).to_pylist()]
    measured = column if column is not None and all(each in rest for each in column) else None
    flat = _channels(rest, options, measured, table, where)
    stamps, first, place = np.unique(times.stamps, return_index=True, return_inverse=True)
    several = len(flat.names) > 1
    names, blocks = [], []
    repeated = 0
    for code, label in enumerate(labels):
        for k, measure in enumerate(flat.names):
            block = np.full(len(stamps), np.nan)
            rows = np.flatnonzero(codes == code)
            block[place[rows]] = flat.values[rows, k]
            repeated += len(rows) - len(np.unique(place[rows]))
            names.append(f"{label} {measure}" if several else label)
            blocks.append(block)
    if repeated:
        raise InputError(
            f"{repeated} rows repeat a time of their series", f"{where}, column '{name}'", "keep one row for each time"
        )
    values = np.column_stack(blocks)
    if column is not None and measured is None:
        missing = [each for each in column if each not in names]
        if missing:
            raise InputError(f"no channel '{missing[0]}'", where, f"give one of {', '.join(names[:30])}")
        values = values[:, [names.index(each) for each in column]]
        names = list(column)
    note = f"a long table: the {len(labels)} series of column '{name}' are the channels"
    return replace(
        flat,
        values=values,
        names=tuple(names),
        times=_rows_of(times, first),
        time_column=time_column,
        exact={},
        notes=(*notes, note, *flat.notes),
    )


def _rows_of(times: Times, rows: np.ndarray) -> Times:
    offsets = None if times.clock_offset is None else times.clock_offset[rows]
    return replace(times, stamps=times.stamps[rows], clock_offset=offsets)
