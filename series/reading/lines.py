"""The lines of a text table and their cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from ape.series.reading.missing import means_missing
from ape.series.reading.number_cells import looks_like_number
from ape.series.reading.time_cells import looks_like_time

LINE_END = re.compile(r"\r\n|\n|\r")
COMMENT = re.compile(r"^\s*(#|//|%)")
OPEN_QUOTE = re.compile(r'(?:^|[,;\t|])\s*"(?:[^"]|"")*$')
CLOSED_QUOTE = re.compile(r'^(?:[^"]|"")*"\s*(?:[,;\t|]|$)')
SPREADSHEET_TEXT = re.compile(r"""^(?:'|=")(.*?)['"]?$""")  # '5 and ="5"
LONGEST_CELL = 5  # lines


class Line(NamedTuple):
    """A line of the table; line ends in quoted cells are spaces."""

    text: str
    begin: int  # number of its first line in the file


def table_lines(text: str) -> list[Line]:
    """Return the lines of a text, with the lines of a quoted cell joined."""
    raw = LINE_END.split(text)
    lines, begin = [], 0
    while begin < len(raw):
        end = begin + 1
        if OPEN_QUOTE.search(raw[begin]):
            closing = (k for k in range(end, min(end + LONGEST_CELL, len(raw))) if CLOSED_QUOTE.match(raw[k]))
            end = next(closing, begin) + 1
        lines.append(Line(" ".join(raw[begin:end]), begin))
        begin = end
    return lines


def split(line: str, separator: str | None) -> list[str]:
    """Return the cells of a line."""
    if separator is None:
        return [line.strip().strip('"')]
    if separator == " ":
        line = line.strip()
    if '"' not in line:
        cells = line.split(separator)
    else:
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:  # a cell is longer than the reader allows
            cells = [line]
    return [cell for cell in cells if cell] if separator == " " else [cell.strip() for cell in cells]


def trimmed(row: Sequence[str]) -> list[str]:
    """Return the row without empty cells at its end."""
    end = len(row)
    while end > 1 and not row[end - 1]:
        end -= 1
    return list(row[:end])


def kind_of(cell: str) -> str:
    """Return ``missing``, ``number``, ``time`` or ``text``; cells may be written as texts of a spreadsheet."""
    cell = SPREADSHEET_TEXT.sub(r"\1", cell) if cell[:1] in ("'", "=") else cell
    if means_missing(cell):
        return "missing"
    return "number" if looks_like_number(cell) else "time" if looks_like_time(cell) else "text"
