"""Refuse quotes that do not close: they would take the rows that follow as one cell."""

from __future__ import annotations

import mmap
import re

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.lines import LINE_END, LONGEST_CELL, kind_of, split

BLOCK = 1 << 24  # bytes
QUOTE, NEW_LINE = ord('"'), ord("\n")


def require_closed_quotes(content: bytes | mmap.mmap, separator: str | None, columns: int, where: str) -> None:
    """Refuse a table with a quote that does not close, or that closes some rows later.

    Parameters
    ----------
    content : bytes or mmap
        UTF-8.
    separator : str or None
    columns : int
        Cells of a row.
    where : str

    Raises
    ------
    InputError
        A quoted cell has more than ``LONGEST_CELL`` lines, or has rows of the table.
    """
    if content.find(b'"') < 0 or not _has_odd_lines(content):
        return
    mark = re.escape(separator) if separator else ""
    before, after = (rf"(?:^|{mark})", rf"(?:{mark}|$)") if mark else ("^", "$")
    opens = re.compile(rf'{before}\s*"(?:[^"]|"")*$')
    closes = re.compile(rf'^(?:[^"]|"")*"\s*{after}')
    lines = LINE_END.split(content[:].decode("utf-8", errors="replace"))
    line = 0
    while line < len(lines):
        opening = opens.search(lines[line]) if lines[line].count('"') % 2 else None
        line += 1
        if opening is None:
            continue
        rest = lines[line : line + LONGEST_CELL]
        end = next((k for k, text in enumerate(rest) if closes.match(text)), None)
        if end is None or any(_is_row(text, separator, columns) for text in rest[: end + 1]):
            shown = opening[0].lstrip(f"{separator or ''} ")
            raise InputError(f"the quote of {shown[:30]} does not close", f"{where}, line {line}", "remove or close it")
        line += end + 1


def _is_row(line: str, separator: str | None, columns: int) -> bool:
    """Whether a line within a quoted cell is a row of the table."""
    cells = split(line.replace('"', ""), separator)
    return len(cells) >= columns and kind_of(cells[0]) in ("time", "number")


def _has_odd_lines(content: bytes | mmap.mmap) -> bool:
    """Whether a line has an odd number of quotes."""
    text = np.frombuffer(content, np.uint8)
    open_quotes = 0  # in the last line of the block before
    for begin in range(0, len(text), BLOCK):
        block = text[begin : begin + BLOCK]
        marks = block[(block == QUOTE) | (block == NEW_LINE)]
        ends = np.flatnonzero(marks == NEW_LINE)
        if len(ends):
            quotes = np.diff(ends, prepend=-1) - 1
            quotes[0] += open_quotes
            if (quotes % 2).any():
                return True
            open_quotes = len(marks) - 1 - int(ends[-1])
        else:
            open_quotes += len(marks)
    return open_quotes % 2 > 0
