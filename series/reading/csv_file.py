"""Read text tables."""

from __future__ import annotations

import csv
import mmap
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ape.core.errors import InputError
from ape.series.reading.dialect import Dialect, find_dialect
from ape.series.reading.encoding import ENCODING_NAMES, SAMPLE_BYTES, as_utf8, encoding_notes, find_encoding
from ape.series.reading.limits import require_columns, require_lines
from ape.series.reading.lines import COMMENT, LINE_END, kind_of
from ape.series.reading.missing import cleaned, means_missing
from ape.series.reading.names import TIMES, key_of
from ape.series.reading.numbers import plain_numbers
from ape.series.reading.options import ReadOptions
from ape.series.reading.quotes import require_closed_quotes
from ape.series.reading.table import Table, unique_names

NO_SEPARATOR = "\x1f"  # a character that no text contains
FEWEST_LINES = 50  # of the sample: lines may be long
MOST_BELOW = 10  # rows below the values, such as totals
WRAPPERS = (r"^'(.*)'$", r'^="(.*)"$', r"^\[(.*)\]$", r"^'([^']*)$")  # around or before each cell of a column


def read_csv(content: bytes | mmap.mmap, options: ReadOptions, where: str, compressed: bool = False) -> Table:
    """Read a text table.

    Raises
    ------
    InputError
        The bytes are no text, the table can be read in several ways, or a row has more cells than columns.
    """
    require_lines(content, where)
    encoding = find_encoding(content)
    notes = encoding_notes(content, encoding)
    content = as_utf8(content, encoding, where)
    sample = _sample(content)
    require_columns(sample, where)
    dialect = find_dialect(sample, where, options.header, options.decimal)
    require_closed_quotes(content, dialect.separator, len(dialect.names), where)
    columns = _read_regular(content, dialect)
    lines = None
    if columns is None:
        columns, lines, irregular_notes = _read_irregular(content[:].decode("utf-8", errors="replace"), dialect, where)
        notes += irregular_notes
    if dialect.split_first:
        columns = _split_first(columns[0])
    dropped, row_notes = _other_rows(columns, dialect)
    if dropped.any():
        columns = [cells.filter(pa.array(~dropped)) for cells in columns]
        lines = (np.arange(len(dropped)) + dialect.skip + 1 if lines is None else lines)[~dropped]
    if len(columns[0]) == 0:
        raise InputError("the file has a header and no rows", where, "give a file with values")
    pairs = [
        (re.sub(WRAPPERS[0], r"\1", name), _unwrapped(column))
        for k, (name, column) in enumerate(zip(dialect.names, columns, strict=True))
        if name or not k or not _is_blank(column).all()
    ]
    if not dialect.header:
        names = ["value"] if len(pairs) == 1 else [f"channel{k}" for k in range(len(pairs))]
        pairs = [(name, column) for name, (_, column) in zip(names, pairs, strict=True)]
    name = ENCODING_NAMES.get(encoding, encoding.upper())
    return Table(
        unique_names(pairs),
        f"CSV, {name}, {dialect.describe()}" + (", compressed" if compressed else ""),
        dialect.skip + 1,
        dialect.separator,
        (*notes, *dialect.notes, *row_notes),
        dialect.header,
        lines,
    )


def _sample(content: bytes | mmap.mmap) -> str:
    """Return the first lines of a file."""
    size = SAMPLE_BYTES
    while size < len(content) and content[:size].count(b"\n") < FEWEST_LINES:
        size *= 2
    sample = content[:size]
    if len(content) > size:
        sample = sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1] or sample
    return sample.decode("utf-8", errors="replace")


def _read_regular(content: Any, dialect: Dialect) -> list[pa.ChunkedArray] | None:
    """Read a regular table as text; None if it has comments, blank lines, or rows with other numbers of cells."""
    if dialect.comments or dialect.separator == " ":
        return None
    size = len(content)
    while size and content[size - 1] in b"\r\n \t":
        size -= 1
    one_cell = dialect.separator is None or dialect.split_first
    irregular: list[int] = []

    def on_row(row: Any) -> str:
        irregular.append(row.actual_columns)
        return "skip"

    names = ["0"] if one_cell else [str(k) for k in range(len(dialect.names))]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(content).slice(0, size)),
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=dialect.skip),
            parse_options=pa_csv.ParseOptions(
                delimiter=NO_SEPARATOR if one_cell else dialect.separator,
                ignore_empty_lines=False,
                invalid_row_handler=on_row,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, OSError):
        return None
    return None if irregular else table.columns


def _read_irregular(text: str, dialect: Dialect, where: str) -> tuple[list[pa.ChunkedArray], np.ndarray, list[str]]:
    """Read a table with comments, blank lines, aligned columns, quoted line ends, or short rows.

    Returns
    -------
    columns : list of ChunkedArray
    lines : ndarray, int64 [n]
        Of the file, from 1.
    notes : list of str
    """
    lines = list(enumerate(LINE_END.split(text)[dialect.skip :], start=dialect.skip + 1))
    notes = []
    if dialect.comments:
        lines = [(number, line) for number, line in lines if not COMMENT.match(line)]
        notes.append("comment lines within the table were left out")
    numbers = [number for number, _ in lines]
    if dialect.separator is None or dialect.split_first:
        return [_text([line.strip().strip('"') for _, line in lines])], np.array(numbers), notes
    texts = (f"{line.strip() if dialect.separator == ' ' else line}\n" for _, line in lines)
    reader = csv.reader(texts, delimiter=dialect.separator, skipinitialspace=True)
    try:
        rows = [(numbers[reader.line_num - 1], row) for row in reader if len(row) > 1 or (row and row[0].strip())]
    except csv.Error as error:
        raise InputError(f"not a readable CSV: {error}", where, "give one row a time step") from error
    width = len(dialect.names)
    notes += _drop_incomplete_end(rows, width)
    short = 0
    for number, row in rows:
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) > width:
            raise InputError(
                f"{len(row)} cells for {width} columns: '{dialect.separator.join(row)[:40]}'",
                f"{where}, line {number}",
                "fix the row",
            )
        if len(row) < width and dialect.separator == " ":
            raise InputError(
                f"{len(row)} cells for {width} columns, and spaces do not tell which is blank: '{' '.join(row)[:40]}'",
                f"{where}, line {number}",
                "write a missing value as NaN, or separate columns by commas",
            )
        short += len(row) < width
    if short:
        have = "1 row has" if short == 1 else f"{short} rows have"
        notes.append(f"{have} fewer cells than columns: the cells at the end are missing values")
    columns = [_text([row[k] if k < len(row) else "" for _, row in rows]) for k in range(width)]
    return columns, np.array([number for number, _ in rows]), notes


def _drop_incomplete_end(rows: list[tuple[int, list[str]]], width: int) -> list[str]:
    """Drop rows at the end that have fewer cells than columns: a line below the table, or a row that is cut off."""
    if not rows or Counter(len(row) for _, row in rows).most_common(1)[0][0] < width:
        return []
    dropped: list[str] = []
    while rows and len(rows[-1][1]) < width and len(dropped) < MOST_BELOW:
        dropped.append(rows.pop()[1][0])
    return [_end_note(dropped[::-1])] if dropped else []


def _other_rows(columns: list[pa.ChunkedArray], dialect: Dialect) -> tuple[np.ndarray, list[str]]:
    """Return which rows are headers within the table, blank, or below the values, bool [n]; and notes."""
    notes = []
    first = pc.utf8_trim_whitespace(columns[0])
    dropped = np.zeros(len(first), dtype=bool)
    for header in dialect.header_rows:
        same = pc.equal(first, header[0]).to_numpy()
        if same.any() and any(kind_of(cell) == "text" for cell in header):
            for cells, cell in zip(columns[1:], header[1:], strict=False):
                same &= pc.equal(pc.utf8_trim_whitespace(cells), cell).to_numpy()
            dropped |= same
    if dropped.any():
        times = "once" if dropped.sum() == 1 else f"{dropped.sum()} times"
        notes.append(f"the header is repeated within the table {times}, and was left out there")
    blank = _is_blank(first)
    for cells in columns[1:]:
        blank = blank & _is_blank(cells) if blank.any() else blank
    end = len(first) - int(np.argmin(blank[::-1])) if not blank.all() else 0
    if blank.any():
        timed = len(columns) > 1 and (
            "time" in dialect.kinds
            or any(key_of(name) in TIMES for name in dialect.names)
            or _rises(first.filter(pa.array(~blank)))
        )
        dropped[0 if timed else end :] |= blank[0 if timed else end :]
    below = []
    for row in range(end - 1, max(end - 1 - MOST_BELOW, 0), -1):
        if len(columns) == 1 or dialect.kinds[0] not in ("time", "number") or kind_of(first[row].as_py()) != "text":
            break
        below.append(first[row].as_py())
        dropped[row] = True
    if below:
        notes.append(_end_note(below[::-1]))
    return dropped, notes


def _rises(cells: pa.ChunkedArray) -> bool:
    """Whether cells are numbers that rise, as times do."""
    numbers = plain_numbers(cells)
    return numbers is not None and bool((np.diff(numbers) > 0).all())


def _end_note(cells: list[str]) -> str:
    what = "the last row is" if len(cells) == 1 else f"the last {len(cells)} rows are"
    return f"{what} not one of values and {'was' if len(cells) == 1 else 'were'} left out: '{cells[0][:30]}'"


def _text(cells: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(cells, pa.string())])


def _is_blank(column: pa.ChunkedArray) -> np.ndarray:
    """Return which cells are empty or have only spaces, bool."""
    return pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy()


def _unwrapped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells without the quotes or brackets that are around each of them; missing values may have none."""
    head = pc.utf8_trim_whitespace(column.slice(0, 20)).to_pylist()
    example = next((cell for cell in head if not means_missing(cell)), "")
    for pattern in WRAPPERS:
        if re.match(pattern, example):
            text = pc.utf8_trim_whitespace(column)
            matches = pc.or_(pc.match_substring_regex(text, pattern), pc.is_null(cleaned(text)))
            return pc.replace_substring_regex(text, pattern, r"\1") if pc.all(matches).as_py() else column
    return column


def _split_first(lines: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    parts = pc.extract_regex(lines, r"^(?P<first>[^,]*),(?P<rest>.*)$")
    return [
        pa.chunked_array([pc.struct_field(chunk, name) for chunk in parts.chunks], pa.string())
        for name in ("first", "rest")
    ]
