"""Lines of bytes, and what happens between them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ape.watch.rows import Kind

BLOCK = 1 << 14  # bytes that are read at once
LONGEST_LINE = 1 << 18  # bytes
LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Mark:
    """Something between two lines that a note tells.

    Parameters
    ----------
    kind : str
        Of the note.
    text : str
        Of the note; empty if there is none.
    begins : bool
        Whether another file begins here.
    """

    kind: Kind
    text: str
    begins: bool = False


@dataclass(frozen=True)
class Piece:
    """What was read.

    Parameters
    ----------
    items : tuple of bytes or Mark
        Lines without their ends, and what happened between them.
    more : bool
        Whether there is more to read at once.
    ended : bool
        Whether nothing will ever follow.
    """

    items: tuple[bytes | Mark, ...]
    more: bool = False
    ended: bool = False


class Lines:
    r"""Cuts bytes into complete lines; of a line that is too long only a mark remains.

    A line ends with ``\n``, ``\r\n`` or ``\r``.
    """

    def __init__(self, skipping: bool = False) -> None:
        self.rest, self.skipping = b"", skipping
        self._returned = False  # whether the last byte was a carriage return, which a line feed may follow

    def add(self, data: bytes) -> list[bytes | Mark]:
        """Return the lines that are complete now."""
        if self._returned and data[:1] == b"\n":
            data = data[1:]
        self._returned = data[-1:] == b"\r" or (self._returned and not data)
        *lines, self.rest = LINE_END.split(self.rest + data)
        found: list[bytes | Mark] = []
        for line in lines:
            if not self.skipping:
                found.append(line if len(line) <= LONGEST_LINE else _too_long())
            self.skipping = False
        if len(self.rest) > LONGEST_LINE and not self.skipping:
            found.append(_too_long())
            self.skipping = True
        if self.skipping:
            self.rest = b""
        return found

    def end(self) -> list[bytes | Mark]:
        """Return the last line, whose end is the end of the file."""
        return self.add(b"\n") if self.rest or self.skipping else []


def _too_long() -> Mark:
    return Mark("unreadable", f"a line of more than {LONGEST_LINE >> 10} kB was left out")
