"""Find out how a text table is written: encoding, lines before the table, separator, header."""

from __future__ import annotations

import codecs
import csv
import mmap
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ape.core.errors import InputError
from ape.series.reading.missing import means_missing
from ape.series.reading.number_cells import UNIT, looks_like_number
from ape.series.reading.time_cells import looks_like_time

SAMPLE_BYTES = 1 << 18
SAMPLE_LINES = 400
WHOLE = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[.' ]\d{3})+)")
COMMA_SHARE = 0.2  # of the lines: what has a second comma at least, if it belongs to the numbers
MOST_LINES_BEFORE = 60  # comments and other lines before the table
SEPARATORS = ("\t", ";", "|", ",", " ")  # a comma inside cells is common, so it comes late
NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space", None: "one column"}
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMENT = re.compile(r"^\s*(#|//|%)")
SEPARATOR_LINE = re.compile(r'^"?sep=(\t|.)"?\s*$', re.IGNORECASE)
LINE_END = re.compile(r"\r\n|\n|\r")
COMMA_NUMBER = re.compile(rf"^\s*[+-]?\d+(?:,\d+)*(?:\.\d+)?(?:\s*{UNIT})?\s*$")
TIME_AND_COMMA_NUMBER = re.compile(rf"^[^,]*[:/.\-T][^,]*,\s*[+-]?\d+(?:,\d+)*(?:\.\d+)?(?:\s*{UNIT})?\s*$")


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Parameters
    ----------
    separator : str or None
        None: each line is one cell.
    names : tuple of str
        Column names; empty for a column without a name.
    skip : int
        Lines before the first row of values.
    header : bool
        Whether the file names the columns.
    split_first : bool
        Only the first comma of a line separates cells; the others are part of the number.
    comments : bool
        Whether lines within the table may be comments.
    notes : tuple of str
        What was inferred.
    """

    separator: str | None
    names: tuple[str, ...]
    skip: int
    header: bool
    split_first: bool = False
    comments: bool = False
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the separator and the header in words."""
        return f"{NAMES.get(self.separator, repr(self.separator))}, {'header' if self.header else 'no header'}"


def find_encoding(content: bytes | mmap.mmap) -> str:
    """Return the encoding of a text file: by its byte order mark, its zero bytes, or as UTF-8 or Windows-1252."""
    head = content[:SAMPLE_BYTES]
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    if zeros := head.count(0):
        odd = head[1::2].count(0)
        if max(odd, zeros - odd) > 0.3 * len(head) / 2:
            return "utf-16-le" if odd > zeros - odd else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(0, len(content), SAMPLE_BYTES):
            decoder.decode(content[begin : begin + SAMPLE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(0, len(content), SAMPLE_BYTES):
            decoder.decode(content[begin : begin + SAMPLE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def find_dialect(text: str, where: str, header: bool | None = None, decimal: str | None = None) -> Dialect:
    """Infer the dialect from the first lines of a table.

    Parameters
    ----------
    text : str
        The beginning of the file, whole lines.
    where : str
        The file, for error messages.
    header : bool, optional
        Whether the first row names the columns.
    decimal : str, optional
        The decimal mark, if it is known.

    Raises
    ------
    InputError
        No separator fits, or rows have more cells than names.
    """
    lines = LINE_END.split(text)
    skip, forced, notes = 0, None, []
    if lines and (match := SEPARATOR_LINE.match(lines[0])):
        forced, skip = match[1], 1
    commented: str | None = None
    while skip < len(lines) and (not lines[skip].strip() or COMMENT.match(lines[skip])):
        if lines[skip].strip():
            commented = COMMENT.sub("", lines[skip]).strip()
        skip += 1
    if skip > (forced is not None):
        notes.append(_lines(skip - (forced is not None), "before the table"))
    body = lines[skip : skip + SAMPLE_LINES]
    comments = any(COMMENT.match(line) for line in body)
    body = [line for line in body if not COMMENT.match(line)]
    filled = [line for line in body if line.strip()]
    if not filled:
        raise InputError("a CSV without rows", where, "give a file with values")
    if forced in (None, ",") and (lead := _lines_before_comma_numbers(filled)):
        notes += [_lines(lead - 1, "before the table")] if lead > 1 else []
        notes.append("rows have more commas than columns: commas are part of the numbers")
        name = filled[lead - 1].strip().strip('"')
        return Dialect(None, (name,), skip + _lines_until(body, lead), True, False, comments, tuple(notes))
    if forced in (None, ",") and _has_times_and_comma_numbers(filled):
        notes.append("rows have more commas than columns: commas are part of the numbers")
        pair = tuple(split(filled[0], ","))
        return Dialect(",", pair, skip + _lines_until(body, 1), True, True, comments, tuple(notes))
    if forced is None and decimal == "," and all(COMMA_NUMBER.match(line) for line in filled):
        return Dialect(None, ("",), skip, False, False, comments, tuple(notes))
    separator = forced or _separator(filled)
    rows = [split(line, separator) for line in filled]
    start = _first_row_of_table(rows)
    if start:
        notes.append(f"{_lines(start, 'before the table')}: '{filled[0][:40]}'")
        skip += _lines_until(body, start)
        rows = rows[start:]
        if not rows:
            raise InputError("a CSV without rows", where, "give a file with values")
    names, below = _names(rows, commented, separator, header, where)
    data = rows[below:]
    if below > 1:
        notes.append(_lines(below - 1, "below the header (units)"))
    has_header = below > 0 or bool(names)
    if not has_header and separator == "," and decimal is None:
        _require_separating_commas(data, where)
    if not has_header:
        names = [""] * max(len(row) for row in rows)
    names, note = _match_names(names, data, separator, where)
    notes += note
    skip += _lines_until([line for line in lines[skip:] if not COMMENT.match(line)], below) if below else 0
    return Dialect(separator, tuple(names), skip, has_header, False, comments, tuple(notes))


def _lines(count: int, where: str) -> str:
    return f"{count} line{'s' * (count > 1)} {where} {'were' if count > 1 else 'was'} left out"


def split(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line."""
    if separator is None:
        return [line.strip().strip('"')]
    if separator == " ":
        return next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True), [])
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]


def _lines_before_comma_numbers(lines: Sequence[str]) -> int:
    """Return the number of lines above one column of numbers with commas; 0 if it is not one."""
    for k, line in enumerate(lines[: MOST_LINES_BEFORE + 1]):
        if COMMA_NUMBER.match(line):
            rest = lines[k:]
            fits = all(COMMA_NUMBER.match(each) or means_missing(each) for each in rest)
            return k if k and fits and "," not in lines[k - 1] and any("," in each for each in rest) else 0
    return 0


def _has_times_and_comma_numbers(lines: Sequence[str]) -> bool:
    """Whether each line below the header is a time and one number, in which commas occur."""
    data = lines[1:]
    names = split(lines[0], ",")
    more = sum(line.count(",") > 1 for line in data)
    if len(names) != 2 or looks_like_number(names[1]) or more < max(1, COMMA_SHARE * len(data)):
        return False
    return all(
        TIME_AND_COMMA_NUMBER.match(line) or (line.count(",") == 1 and means_missing(line.split(",")[1]))
        for line in data
    )


def _separator(lines: Sequence[str]) -> str | None:
    """Return the separator that gives most lines the same number of cells, at least two; None if none does.

    A separator that gives the first line as many cells as the others is preferred.
    """
    best, best_key = None, (False, 0.0)
    for separator in SEPARATORS:
        widths = [len(split(line, separator)) for line in lines]
        width, count = Counter(widths).most_common(1)[0]
        share = count / len(lines)
        if width < 2 or share < 0.5 or (separator == " " and not _cells_are_values(lines, separator)):
            continue
        key = (widths[0] == width, share)
        if key[0] > best_key[0] or (key[0] == best_key[0] and share > best_key[1] + 0.05):
            best, best_key = separator, key
    return best


def _cells_are_values(lines: Sequence[str], separator: str) -> bool:
    """Whether spaces separate values, and not the words or the date and time of one cell."""
    row = split(lines[-1], separator)
    return sum(looks_like_number(cell) for cell in row) >= 1 and all(
        looks_like_number(cell) or looks_like_time(cell) or means_missing(cell) for cell in row
    )


def _trimmed(row: list[str]) -> list[str]:
    """Return the row without empty cells at its end."""
    end = len(row)
    while end > 1 and not row[end - 1]:
        end -= 1
    return row[:end]


def _first_row_of_table(rows: Sequence[list[str]]) -> int:
    """Return the first row of the table after lines of another shape, such as the name of a device."""
    body = rows[len(rows) // 3 :]
    width = Counter(map(len, body)).most_common(1)[0][0]
    filled = Counter(len(_trimmed(row)) for row in body).most_common(1)[0][0]
    if width == 1:
        return _row_above_values(rows)
    if filled == 1 or len(_trimmed(rows[0])) >= filled:
        return 0
    for k, row in enumerate(rows[:MOST_LINES_BEFORE]):
        cells = _trimmed(row)
        if 1 < len(cells) >= filled - 1 and abs(len(row) - width) <= 1:
            single = all(len(_trimmed(before)) == 1 for before in rows[:k])
            named = all(_kind(cell) in ("text", "missing") for cell in cells)
            return k if single or named else 0
    return 0


def _row_above_values(rows: Sequence[list[str]]) -> int:
    """Return the row above the first number or time of a table of one column."""
    for k, row in enumerate(rows[:MOST_LINES_BEFORE]):
        if _kind(row[0]) in ("number", "time"):
            return max(0, k - 1)
    return 0


def _lines_until(lines: Sequence[str], rows: int) -> int:
    """Return how many lines the first ``rows`` lines that are not blank take."""
    taken = 0
    for k, line in enumerate(lines):
        if taken == rows:
            return k
        taken += bool(line.strip())
    return len(lines)


def _kind(cell: str) -> str:
    if means_missing(cell):
        return "missing"
    return "number" if looks_like_number(cell) else "time" if looks_like_time(cell) else "text"


def _body_kind(cells: Sequence[str]) -> str:
    kinds = Counter(kind for cell in cells if (kind := _kind(cell)) != "missing")
    return kinds.most_common(1)[0][0] if kinds else "missing"


def _names(
    rows: Sequence[list[str]], commented: str | None, separator: str | None, header: bool | None, where: str
) -> tuple[list[str], int]:
    """Return the column names and the number of rows above the values."""
    first = rows[0]
    data = rows[1:] or rows
    body = [_body_kind([row[k] for row in data if k < len(row)]) for k in range(len(first))]
    if header is True:
        return first, 1
    kinds = [_kind(cell) for cell in first]
    pairs = list(zip(kinds, body, strict=True))
    is_header = any(kind == "text" and below in ("number", "time", "missing") for kind, below in pairs)
    if not is_header and all(kind in ("text", "missing") for kind in kinds):
        is_header = True
    if header is None and not is_header and "number" in kinds:
        is_header = _numbered_header(first, data, where)
    if header is False or not is_header:
        if commented is not None and header is None:
            names = split(commented, separator)
            if len(names) == len(first) and all(_kind(name) == "text" for name in names):
                return names, 0
        return [], 0
    below = 1
    while below < min(3, len(rows) - 1) and _is_units(rows[below], body):
        below += 1
    return first, below


def _is_units(row: list[str], body: Sequence[str]) -> bool:
    kinds = [_kind(cell) for cell in row]
    wrong = [kind == "text" for kind, below in zip(kinds, body, strict=False) if below in ("number", "time")]
    return len(wrong) > 1 and sum(wrong) > 1 and "number" not in kinds and "time" not in kinds


def _numbered_header(first: list[str], data: Sequence[list[str]], where: str) -> bool:
    """Whether the first row numbers the columns (``0,1`` or ``,0,1``), as pandas writes frames without names."""
    cells = first[1:] if not first[0] else first
    if cells != [str(k) for k in range(len(cells))]:
        return False
    if not first[0]:
        return True
    columns = [[row[k] for row in data[:SAMPLE_LINES] if k < len(row)] for k in range(len(first))]
    written = [any(re.search(r"[.,eE:]", cell) for cell in column) for column in columns]
    if any(written):
        return True
    if len(first) > 1:
        raise InputError(
            f"the first row {','.join(first)[:40]} may be column numbers or values",
            where,
            "say --header or --no-header",
        )
    return False


def _require_separating_commas(rows: Sequence[list[str]], where: str) -> None:
    """Refuse rows of integers whose commas may be decimal marks: there is no header to count the columns."""
    rows = [[re.sub(rf"(?<=\d)\s*{UNIT}$", "", cell) for cell in row] for row in rows]
    rows = [row for row in rows if not (len(row) == 1 and means_missing(row[0]))]
    first = [row[k] for row in rows for k in range(0, len(row), 2)]
    second = [row[k] for row in rows for k in range(1, len(row), 2)]
    whole = all(WHOLE.fullmatch(cell) for cell in first) and all(re.fullmatch(r"[+-]?\d+", cell) for cell in second)
    if not rows or not whole or {len(row) for row in rows} - {2, 4, 6}:
        return
    counts = [int(re.sub("[.' ]", "", row[0])) for row in rows]
    counter = all(b - a == 1 for a, b in pairwise(counts)) and len(counts) > 2
    zeros = any(len(cell) > 1 and cell.startswith("0") for cell in second) or any(
        row[0].startswith("-0") for row in rows
    )
    two = {len(row) for row in rows} == {2} and all(cell.isdigit() and len(cell) <= 6 for cell in second)
    if zeros or (two and not counter):
        raise InputError(
            f"'{','.join(rows[0])[:30]}' may be {len(rows[0])} numbers or {len(rows[0]) // 2} with decimal commas",
            where,
            "say --decimal . or --decimal ,",
        )


def _match_names(
    names: list[str], data: Sequence[list[str]], separator: str | None, where: str
) -> tuple[list[str], list[str]]:
    """Give each column a name if rows have more cells than the header, and say what was inferred."""
    if not data:
        return names, []
    width = max(len(row) for row in data)
    if width <= len(names):
        return names, []
    extra = width - len(names)
    if not any(any(row[len(names) :]) for row in data):
        return names + [""] * extra, []
    if extra == 1 and [row[0] for row in data[:3]] in (["0", "1", "2"], ["1", "2", "3"]):
        return ["", *names], []
    if separator == " " and extra == 1 and looks_like_time(data[0][0]) and looks_like_time(data[0][1]):
        return [names[0], f"{names[0]} of day", *names[1:]], []
    common = Counter(len(row) for row in data).most_common(1)[0][0]
    row = next(row for row in data if len(row) > len(names))
    if common <= len(names):
        return names, []  # a few rows: the table says which
    raise InputError(
        f"rows have {len(row)} cells for {len(names)} columns, such as '{','.join(row)[:40]}'",
        where,
        "put numbers with decimal commas in quotes, or separate columns by ;",
    )
