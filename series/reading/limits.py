"""What no file of a series has: lines of a million columns, and content far larger than the file.

Such files are refused before they are read, so that they do not take the memory.
"""

from __future__ import annotations

import mmap
from typing import Any

from ape.core.errors import InputError

MOST_COLUMNS = 20_000
LONGEST_LINE = 2**20  # bytes
SEPARATORS = b",;\t| "
MOST_TEXT = 2**28  # bytes of a file that has only numbers
ALWAYS = 2**26  # bytes that a file may have when decompressed, however small it is
MOST_TIMES = 200  # as large as the file may it be otherwise
MOST_TIMES_IN_COLUMNS = 1000  # formats with columns store repeated values better


def require_lines(content: bytes | mmap.mmap, where: str) -> None:
    """Refuse a text table with a line that is too long.

    Raises
    ------
    InputError
        It says where the line is.
    """
    begin, size = 0, len(content)
    while size - begin > LONGEST_LINE:
        end = max(content.rfind(mark, begin, begin + LONGEST_LINE) for mark in (b"\n", b"\r"))
        if end < 0:
            what = f"a line of more than {LONGEST_LINE:,} characters"
            raise InputError(what, f"{where}, byte {begin}", "write one row a time step, on a line of its own")
        begin = end + 1


def require_columns(sample: str, where: str) -> None:
    """Refuse a text table with too many columns, given its first lines."""
    for number, line in enumerate(sample.splitlines(), 1):
        if len(line) > MOST_COLUMNS:
            count = max(line.count(chr(mark)) for mark in SEPARATORS) + 1
            require_number_of_columns(count, f"{where}, line {number}")


def require_number_of_columns(count: int, where: str) -> None:
    """Refuse a table with too many columns."""
    if count > MOST_COLUMNS:
        what = f"{count:,} columns, more than {MOST_COLUMNS:,}"
        raise InputError(what, where, "choose the columns of the series before, or split the file")


def require_content(size: int, stored: int, where: str, times: int = MOST_TIMES) -> None:
    """Refuse content of ``size`` bytes, or more, that is stored in far fewer."""
    if size > max(ALWAYS, times * stored):
        what = f"it contains more than {times} times as much as the file has"
        raise InputError(what, where, "if the content is real, give it uncompressed, or as CSV")


def read_bounded(stream: Any, source: Any, where: str) -> bytes:
    """Return what is left in a stream that decompresses ``source``, unless it is far more than was read of that."""
    parts, size = [], 0
    while part := stream.read(2**20):
        parts.append(part)
        size += len(part)
        require_content(size, source.tell(), where)
    return b"".join(parts)
