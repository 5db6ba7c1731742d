"""How the lines of a watched input are written: decided once, from the training file and the first lines.

`ape.series.reading` decides from the whole file: the decimal mark, the order of day and month, the unit since 1970.
A few new lines do not tell these, so the training file tells them where it is there. What it leaves open is decided
from the first lines: from as few as are enough, at most ``MOST_LINES``, so that the decision does not depend on how
the lines came. From then on each line is read for itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
from pydantic import Field

from ape.core.errors import InputError
from ape.core.files import read_json, write_json
from ape.core.validation import validated
from ape.series import ReadOptions, Requirements
from ape.series.reading.columns import interpret
from ape.series.reading.csv_file import read_csv
from ape.series.reading.decimal_mark import choose_decimal, find_marks
from ape.series.reading.dialect import find_dialect
from ape.series.reading.files import read_table
from ape.series.reading.grid import on_grid
from ape.series.reading.lines import kind_of, split
from ape.series.reading.missing import cleaned
from ape.series.reading.number_cells import mostly_numbers, plainly_written
from ape.series.reading.series_keys import keys_named
from ape.series.reading.table import Table, is_text, unique_names
from ape.series.reading.time_columns import find_times
from ape.series.reading.time_zones import is_zone
from ape.watch.lines import LONGEST_LINE
from ape.watch.stamps import TimeFormat, read_stamps, time_format
from ape.watch.store import FOLDER

if TYPE_CHECKING:
    from ape.runs.folder import Request

MOST_LINES = 60  # until the format is decided
HEAD = 1 << 22  # bytes of the training file that are read
CONTEXT = 20  # rows of the training file that times are read with
JSON_OBJECT = "{"
DecimalMark = Annotated[str, Field(pattern=r"^[.,]$")]
AGAIN = "remove it, and start the watch while the training file is there"
KEPT, WHAT = "format.json", "format of the training file"  # beside the states of the watches


@dataclass(frozen=True)
class Known:
    """What the training file tells of new lines.

    Parameters
    ----------
    names : tuple of str
        Its columns; empty if it is not there.
    decimal : str or None
        The decimal mark of its channels.
    dayfirst : bool or None
        Whether its dates are day first; None for dates that leave no choice.
    times : dict of tuple
        The first cells of the columns of its times.
    ordered : bool
        Whether the times order the rows; without it, rows count by position.
    """

    names: tuple[str, ...] = ()
    decimal: DecimalMark | None = None
    dayfirst: bool | None = None
    times: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = field(default_factory=dict)
    ordered: bool = True


@dataclass(frozen=True)
class Format:
    """How lines are written.

    Parameters
    ----------
    json : bool
        Whether each line is an object of JSON.
    places : dict of int
        Place of each column in a line of CSV.
    channels : tuple of str or None
        The column of each channel of the detector; None if it is lost.
    decimal : str
    times : TimeFormat or None
    keys : tuple of str
        The columns that name the series of a row in a long table.
    separator, split_first, width, header
        See `ape.series.reading.dialect.Dialect`.
    """

    json: bool
    places: dict[str, int]
    channels: tuple[str | None, ...]
    decimal: DecimalMark
    times: TimeFormat | None
    keys: tuple[str, ...] = ()
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    split_first: bool = False
    width: Annotated[int, Field(ge=0, le=LONGEST_LINE)] = 0
    header: tuple[tuple[str, ...], ...] = ()


def kept_format(folder: Path, request: Request, required: Requirements) -> Known:
    """Return what the training file of a run tells, from the run folder, which keeps it from the first watch on.

    Later watches need the training file no more, and all streams read new rows in the same way.

    Parameters
    ----------
    folder : Path
        Of the run.
    request, required
        See `known_format`.

    Raises
    ------
    InputError
        What the folder keeps is damaged.
    """
    path = folder / FOLDER / KEPT
    if path.is_file():
        stored = read_json(path, WHAT)
        known = validated(Known, stored, f"not the {WHAT}", path, AGAIN)
        if json.loads(json.dumps(asdict(known))) != stored or not _is_whole(known, request.reading, required):
            raise InputError(f"not the {WHAT}", str(path), AGAIN)
        return known
    known = known_format(request, required)
    if known != Known():  # otherwise the training file may be there again later
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(known))
    return known


def _is_whole(known: Known, options: ReadOptions, required: Requirements) -> bool:
    """Whether the columns have names, and the times that are kept can be read."""
    if not known.times:
        return bool(known.names)
    columns = {name: _text(list(cells)) for name, cells in known.times.items()}
    options = replace(options, dayfirst=known.dayfirst if options.dayfirst is None else options.dayfirst)
    try:
        form = time_format(columns, options, Table(columns, "CSV"), _zone(required, options), KEPT)
    except ValueError:
        return False
    return set(columns) <= set(known.names) and form is not None and set(form.columns) == set(columns)


def _zone(required: Requirements, options: ReadOptions) -> str | None:
    """Return the zone of times that name none."""
    return options.timezone or (required.zone if required.zone is not None and is_zone(required.zone) else None)


def known_format(request: Request, required: Requirements) -> Known:
    """Return what the training file of a run tells; nothing if it is not there any more.

    Parameters
    ----------
    request : Request
        Of the run.
    required : Requirements
        Of its detector.
    """
    options, path = request.reading, Path(request.data)
    try:
        table = _head_of(path, options)
        needed = set(required.channels)
        others = {name: cells for name, cells in table.columns.items() if name not in needed}
        times, used, _ = find_times(others, options, table, str(path))
        columns = interpret(table, options, request.column or None, str(path), required)
    except (InputError, OSError, ValueError):
        return Known()
    measured = {name: cells for name, cells in table.columns.items() if name in needed}
    marks = _decimals(measured or others, options, table.separator, str(path))
    ordered = columns.times is None or on_grid(columns.values, columns.times).times is not None
    order = {"day first": True, "month first": False}.get("" if times is None else times.format)
    text = all(is_text(table.columns[name]) for name in used)
    cells = {name: tuple(table.columns[name].slice(0, CONTEXT).to_pylist()) for name in used if text}
    return Known(tuple(table.columns), marks, order if options.dayfirst is None else None, cells, ordered)


def decide(
    lines: Sequence[str], required: Requirements, options: ReadOptions, known: Known, where: str, lost: bool
) -> tuple[Format, int, tuple[str, ...]]:
    """Decide the format from the first lines.

    Parameters
    ----------
    lines : sequence of str
        Blank lines and comments too.
    required : Requirements
    options : ReadOptions
        Of the run.
    known : Known
    where : str
    lost : bool
        Whether channels may be missing.

    Returns
    -------
    Format
    skip : int
        Lines before the first one of values.
    names : tuple of str
        All columns.

    Raises
    ------
    InputError
        The lines are too few, or not those of a table with the channels of the detector.
    """
    options = replace(
        options,
        decimal=options.decimal or known.decimal,
        dayfirst=known.dayfirst if options.dayfirst is None else options.dayfirst,
    )
    first = next((k for k, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise InputError("no line", where, "wait for one")
    if lines[first].lstrip().startswith(JSON_OBJECT):
        objects = [found for line in lines if (found := json_cells(line)) is not None]
        if not objects:
            raise InputError("not an object of JSON", where, "write one object a line")
        columns = {name: _text([row.get(name, "") for row in objects]) for row in objects for name in row}
        form = _decided(Table(columns, "JSON lines"), required, replace(options, decimal="."), known, where, lost)
        return replace(form, json=True), first, tuple(columns)
    # The last line twice: one row below a header is not enough to tell the separator.
    dialect = find_dialect("\n".join([*lines, lines[-1], ""]), where, options.header, options.decimal)
    rows = [cells_of(line, dialect.separator, dialect.split_first) for line in lines[dialect.skip :] if line.strip()]
    width = len(dialect.names)
    rows = [row + [""] * (width - len(row)) for row in rows if len(row) <= width]
    if not rows:
        raise InputError("no row", where, "wait for one")
    kept = [k for k, name in enumerate(dialect.names) if name or not k or any(row[k].strip() for row in rows)]
    names = [dialect.names[k] for k in kept]
    if not dialect.header:
        names = ["value"] if len(kept) == 1 else [f"channel{k}" for k in range(len(kept))]
    columns = unique_names([(name, _text([row[k] for row in rows])) for name, k in zip(names, kept, strict=True)])
    table = Table(columns, "CSV", dialect.skip, dialect.separator, (), dialect.header)
    decided = _decided(table, required, options, known, where, lost)
    if not any(kind_of(columns[name][-1].as_py()) in ("number", "missing") for name in decided.channels if name):
        raise InputError("no row of numbers", where, "wait for one")
    form = replace(
        decided,
        places=dict(zip(columns, kept, strict=True)),
        separator=dialect.separator,
        split_first=dialect.split_first,
        width=width,
        header=dialect.header_rows,
    )
    return form, dialect.skip, tuple(columns)


def cells_of(line: str, separator: str | None, split_first: bool) -> list[str]:
    """Return the cells of a line of CSV."""
    return line.split(",", 1) if split_first else split(line, separator)


def json_cells(line: str) -> dict[str, str] | None:
    """Return the cells of an object of JSON as text, numbers as they are written; None for another line.

    A value that is an object or a list is left out.
    """
    try:
        found = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    words = {None: "", True: "true", False: "false"}
    return {
        name: cell if isinstance(cell, str) else words[cell]
        for name, cell in found.items()
        if not isinstance(cell, (dict, list))
    }


def _decided(
    table: Table, required: Requirements, options: ReadOptions, known: Known, where: str, lost: bool
) -> Format:
    """Return the format of the columns of a few rows."""
    keys: tuple[str, ...] = ()
    columns = dict(table.columns)
    if options.series_column is not None:
        found = keys_named(columns, options.series_column, where)
        if found.value is None:
            hint = f"say --series-column {found.title}=VALUE"
            raise InputError("a long table of several series, and one is watched", where, hint)
        keys = found.columns
        columns = {name: cells for name, cells in columns.items() if name not in keys}
    others = {name: cells for name, cells in columns.items() if name not in required.channels}
    times = _times(others, required, options, known, table, where)
    rest = [name for name in columns if times is None or name not in times.columns]
    channels = _channels(rest, columns, required, options, table, where, lost)
    measured = {name: columns[name] for name in channels if name is not None}
    decimal = _decimals(measured, options, table.separator, where)
    return Format(False, {}, channels, decimal, times, keys)


def _times(
    columns: dict[str, pa.ChunkedArray],
    required: Requirements,
    options: ReadOptions,
    known: Known,
    table: Table,
    where: str,
) -> TimeFormat | None:
    """Return how times are written: as in the training file, or as the first rows tell."""
    zone = _zone(required, options)
    if not known.ordered:
        return None
    if known.times and set(known.times) <= set(columns):
        before = {name: _text(list(cells)) for name, cells in known.times.items()}
        form = time_format(before, options, replace(table, columns=before), zone, where)
        given = {name: columns[name].to_pylist() for name in known.times}
        if form is not None and read_stamps(given, form)[1].all():
            return form
    form = time_format(columns, options, table, zone, where)
    if form is None and (known.times or required.zone is not None or (required.step is not None and not known.names)):
        raise InputError("no column of times, which the training data had", where, "give the columns of training")
    return form


def _channels(
    names: Sequence[str],
    columns: Mapping[str, pa.ChunkedArray],
    required: Requirements,
    options: ReadOptions,
    table: Table,
    where: str,
    lost: bool,
) -> tuple[str | None, ...]:
    """Return the column of each channel; None for those that are lost."""
    if not required.by_name(names, table.named):
        rows = {name: columns[name] for name in columns}
        names = list(interpret(replace(table, columns=rows), replace(options, series_column=None), None, where).names)
    try:
        places, _ = required.places(names, table.named, where)
    except InputError:
        lacking = [name for name in required.channels if name not in names]
        if not lost or len(lacking) == len(required.channels) or not required.by_name(names, table.named):
            raise
        places, _ = required.places([*names, *lacking], table.named, where)
    return tuple(names[place] if place < len(names) else None for place in places)


def _decimals(columns: Mapping[str, pa.ChunkedArray], options: ReadOptions, separator: str | None, where: str) -> str:
    """Return the decimal mark of columns; the comma if any has it."""
    if options.decimal is not None:
        return options.decimal
    texts = {name: cleaned(cells, options.missing) for name, cells in columns.items() if is_text(cells)}
    marks = {name: find_marks(plainly_written(text)) for name, text in texts.items() if mostly_numbers(text)}
    return "," if "," in choose_decimal(marks, separator, None, where)[0].values() else "."


def _head_of(path: Path, options: ReadOptions) -> Table:
    """Return the first rows of a file."""
    if path.stat().st_size <= HEAD or path.suffix.lower() not in (".csv", ".tsv", ".tab", ".dat", ".txt"):
        return read_table(path, options)
    with path.open("rb") as file:
        content = file.read(HEAD)
    return read_csv(content[: content.rfind(b"\n") + 1], options, str(path))


def _text(cells: Sequence[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, pa.string())])
