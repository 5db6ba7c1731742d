"""Lines of bytes, and what happens between them."""

from __future__ import annotations

from dataclasses import dataclass

from ape.watch.rows import Kind

LONGEST_LINE = 1 << 18  # bytes


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
    """Cuts bytes into complete lines; of a line that is too long only a mark remains."""

    def __init__(self, skipping: bool = False) -> None:
        self.rest, self.skipping = b"", skipping

    def add(self, data: bytes) -> list[bytes | Mark]:
        """Return the lines that are complete now."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        found: list[bytes | Mark] = []
        for line in lines:
            if not self.skipping:
                found.append(line.removesuffix(b"\r") if len(line) <= LONGEST_LINE else _too_long())
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
