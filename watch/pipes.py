"""Lines from a pipe: standard input, or a pipe that has a name. What was read of it cannot be read again."""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path
from typing import Any, BinaryIO

from ape.core.errors import InputError
from ape.watch.fingerprints import has_prints, prints_of
from ape.watch.lines import BLOCK, Lines, Piece

STDIN = "-"


def standard_input() -> BinaryIO:
    """Return standard input, if rows can come from it."""
    where, hint = f"--input {STDIN}", "give it rows: PROGRAM | ape watch RUN --input -"
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        os.read(sys.stdin.fileno(), 0)
    except (AttributeError, OSError, ValueError) as error:  # Python has no sys.stdin if it was closed
        if isinstance(error, IsADirectoryError):
            raise InputError("standard input is a folder", where, "give the folder: --input FOLDER") from error
        raise InputError("standard input is closed", where, hint) from error
    if stat.S_ISBLK(mode):
        raise InputError("standard input is a device", where, hint)
    return sys.stdin.buffer


class StandardInput:
    """Standard input. A pipe ends with its writer; what a killed watch had read of a line is gone.

    After a restart, a file that is redirected goes on at the offset; a pipe brings what its writer sends.
    """

    def __init__(self, file: BinaryIO, state: dict[str, Any] | None = None) -> None:
        state = state or {"offset": 0, "prints": None, "skipping": False}
        self._file, self.offset, self._prints = file, state["offset"], state["prints"]
        self._lines, self._ended = Lines(), False
        self._seekable = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        if self._seekable and not has_prints(file, self.offset, self._prints):
            self.offset, self._prints = 0, None
        if self._seekable and self.offset:
            os.lseek(file.fileno(), self.offset, os.SEEK_SET)
            self._lines = Lines(state["skipping"])
        self._place = self.offset

    def read(self, size: int = BLOCK) -> Piece:
        """Return the lines that have come."""
        if self._ended or not select.select([self._file], [], [], 0)[0]:
            return Piece((), ended=self._ended)
        data = os.read(self._file.fileno(), size)
        self._place += len(data)
        self._ended = not data
        items = self._lines.add(data) if data else self._lines.end()
        self.offset = self._place - len(self._lines.rest)
        if self._seekable:
            self._prints = prints_of(self._file, self.offset)
        return Piece(tuple(items), more=len(data) == size, ended=self._ended)

    def state(self) -> dict[str, Any]:
        """Return where to go on."""
        return {"kind": "stdin", "offset": self.offset, "prints": self._prints, "skipping": self._lines.skipping}

    def close(self) -> None:
        """Leave standard input open."""


class NamedPipe:
    """A named pipe, whose writers may come and go: a line without its end ends with its writer.

    After a restart, it brings what its writers send then.

    Parameters
    ----------
    path : Path
    state : dict, optional
        Says only that it was a pipe.
    """

    def __init__(self, path: Path, state: dict[str, Any] | None = None) -> None:
        self.path = path
        # Without O_NONBLOCK this would wait for a writer.
        self._file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        self._lines = Lines()

    def read(self, size: int = BLOCK) -> Piece:
        """Return the lines that have come."""
        try:
            data = os.read(self._file.fileno(), size)
        except BlockingIOError:  # a writer has it open, and has written nothing more
            return Piece(())
        return Piece(tuple(self._lines.add(data) if data else self._lines.end()), more=len(data) == size)

    def state(self) -> dict[str, Any]:
        """Return that it is a pipe: what was read is gone."""
        return {"kind": "pipe"}

    def close(self) -> None:
        """Close the pipe."""
        self._file.close()
