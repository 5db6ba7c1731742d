"""Where new lines come from: a growing file, a pipe, or a folder of files. Each complete line comes once.

What happens to a file is recognised by its inode, its size, and fingerprints of its first bytes and of those before the
offset:

- It grew: the new lines are read. A line without its end waits for the rest.
- It was **rotated** (renamed, and a new file has its name): the rest of the renamed file is read first, in which the
  last line needs no end, then the new file from its begin. After a restart the renamed file is looked for beside the
  new one; if it is not there, its rest is lost and the note says so.
- It was **truncated**, or overwritten in place: it is read from its begin.
- It was replaced by a copy that begins with the same bytes: reading goes on at the offset.
- It is gone: nothing is read until it is there again.
- A line longer than `ape.watch.lines.LONGEST_LINE` is refused: it is skipped, and never held in memory as a whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ape.core.errors import InputError
from ape.series.reading.compression import is_compressed
from ape.watch.fingerprints import has_prints, prints_of
from ape.watch.lines import BLOCK, Lines, Mark, Piece
from ape.watch.pipes import STDIN, NamedPipe, StandardInput, standard_input
from ape.watch.rows import Kind

SETTLED = 2.0  # seconds without a change after which a file with a later one in its folder is complete
MOST_FILES = 100_000  # in a folder: their names are compared at each call
MOST_GONE = 1000  # files that are gone from a folder and still remembered
SUFFIXES = (".csv", ".tsv", ".tab", ".dat", ".txt", ".json", ".jsonl", ".ndjson")  # of the files in a folder


class Source(Protocol):
    """Lines that keep coming."""

    def read(self, size: int = BLOCK) -> Piece:
        """Return what has come, at most so many bytes; never waits."""
        ...

    def state(self) -> dict[str, Any]:
        """Return where to go on, as JSON."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


def open_source(given: str, state: dict[str, Any] | None = None) -> Source:
    """Return the source of ``--input``.

    Parameters
    ----------
    given : str
        A file, a named pipe, a folder, or ``-`` for standard input.
    state : dict, optional
        `Source.state` of an earlier watch, which goes on there.

    Raises
    ------
    InputError
        There is no such file, it cannot be read or is compressed, or it is another kind of source than before.
    """
    path = Path(given)
    kind = "stdin" if given == STDIN else "folder" if path.is_dir() else "pipe" if path.is_fifo() else "file"
    if kind == "file" and path.exists() and not path.is_file():
        raise InputError("not a file, a folder or a pipe", given, "give one of these, or --input -")
    if state is not None and state["kind"] != kind and (path.exists() or given == STDIN):
        raise InputError(f"a {kind}, but the watch began with a {state['kind']}", given, "give the same --input")
    if state is None and kind == "file" and not path.exists():
        raise InputError("no such file or folder", given, "check the path")
    if state is None and kind == "file" and _begins_compressed(path):
        hint = "pass on its lines: zcat FILE | ape watch RUN --input -"
        raise InputError("a compressed file, to which no rows can be added", given, hint)
    if (state["kind"] if state is not None else kind) == "folder":
        return Folder(path, state)
    if kind == "stdin":
        return StandardInput(standard_input(), state)
    return NamedPipe(path, state) if kind == "pipe" else GrowingFile(path, state)


class GrowingFile:
    """A file that other programs append to, and rotate or truncate now and then.

    Parameters
    ----------
    path : Path
    state : dict, optional
        The inode, the offset after the last complete line, and fingerprints of the bytes before it.
    """

    def __init__(self, path: Path, state: dict[str, Any] | None = None) -> None:
        state = state or {"inode": None, "offset": 0, "prints": None, "skipping": False}
        self.path, self.inode, self.offset, self._prints = path, state["inode"], state["offset"], state["prints"]
        self._place, self._lines = self.offset, Lines(state["skipping"])
        self._file: BinaryIO | None = None

    def read(self, size: int = BLOCK) -> Piece:
        """Return the lines that were appended; see the module for what else happens."""
        items: list[bytes | Mark] = []
        if self._file is None and not self._reopen(items):
            return Piece(())
        items += self._new_lines(size)
        if self._unread():
            return Piece(tuple(items), more=True)
        successor = self._successor()
        if successor is None:
            return Piece(tuple(items))
        if not has_prints(successor, self.offset, self._prints):
            items += [*self.finish(), Mark("rotated", f"{self.path.name} was rotated: the new file is read", True)]
            self.offset, self._prints = 0, None
        self.close()
        self._go_on(successor)
        return Piece(tuple(items), more=True)

    def state(self) -> dict[str, Any]:
        """Return where to go on."""
        at = {"inode": self.inode, "offset": self.offset, "prints": self._prints}
        return {"kind": "file", **at, "skipping": self._lines.skipping}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def finish(self) -> list[bytes | Mark]:
        """Return the last line of a file to which nothing is added any more: its end is the end of the file."""
        found = [] if self._file is None else self._lines.end()
        self._moved()
        return found

    def _reopen(self, items: list[bytes | Mark]) -> bool:
        """Open the file that the state is about, under its name or renamed; return whether there is one to read."""
        file = _opened(self.path)
        if file is None:
            return False
        if has_prints(file, self.offset, self._prints):
            self._go_on(file)
            return True
        if (renamed := self._renamed()) is not None:
            file.close()
            self._go_on(renamed)
            return True
        same = os.fstat(file.fileno()).st_ino == self.inode
        what = "truncated" if same else "rotated, and the rest of the earlier file is not there"
        kind: Kind = "truncated" if same else "rotated"
        items.append(Mark(kind, f"{self.path.name} was {what}: it is read from its begin", True))
        self.offset, self._prints = 0, None
        self._go_on(file)
        return True

    def _go_on(self, file: BinaryIO) -> None:
        """Go on in a file at the offset."""
        self._file, self.inode = file, os.fstat(file.fileno()).st_ino
        self._place, self._lines = self.offset, Lines(self._lines.skipping and self.offset > 0)

    def _new_lines(self, size: int) -> list[bytes | Mark]:
        """Return the next lines of the open file; a truncated file begins again."""
        assert self._file is not None
        found: list[bytes | Mark] = []
        if self._unread() < 0 or not has_prints(self._file, self.offset, self._prints):
            found.append(Mark("truncated", f"{self.path.name} was truncated: it is read from its begin", True))
            self.offset, self._prints = 0, None
            self._go_on(self._file)
        data = os.pread(self._file.fileno(), size, self._place)
        self._place += len(data)
        found += self._lines.add(data)
        self._moved()
        return found

    def _moved(self) -> None:
        """Remember where the next line begins, and the fingerprints there."""
        offset = self._place - len(self._lines.rest)
        if self._file is not None and offset != self.offset:
            self.offset, self._prints = offset, prints_of(self._file, offset)

    def _unread(self) -> int:
        """Return how many bytes of the open file were not read; negative if it is shorter than before."""
        assert self._file is not None
        return os.fstat(self._file.fileno()).st_size - self._place

    def _successor(self) -> BinaryIO | None:
        """Return the file that has the name of the open one now and is not empty; None if it is the same."""
        try:
            found = self.path.stat()
            return _opened(self.path) if found.st_ino != self.inode and found.st_size else None
        except OSError:
            return None

    def _renamed(self) -> BinaryIO | None:
        """Return the renamed file, which has the inode and the bytes that were read; None if it is not beside it."""
        for each in self.path.parent.iterdir():
            if not each.name.startswith(self.path.stem):
                continue
            try:
                if each.stat().st_ino == self.inode and (file := _opened(each)) is not None:
                    if has_prints(file, self.offset, self._prints):
                        return file
                    file.close()
            except OSError:
                continue
        return None


class Folder:
    """Files that appear in a folder, each read once: in order of their names (2 before 10), then of their times.

    The last file may grow. A file with a later one beside it is complete when it has not changed for ``SETTLED``
    seconds. A file that appears with an earlier name than the one that is read comes after it. Other files than text
    tables (``SUFFIXES``), and those whose names begin with a dot, are left alone.

    Parameters
    ----------
    path : Path
    state : dict, optional
        Which files are done, and the state of the one that is read.
    """

    def __init__(self, path: Path, state: dict[str, Any] | None = None) -> None:
        state = state or {"done": [], "name": None, "file": None}
        self.path, self._done, self._name = path, set(state["done"]), state["name"]
        self._file = None if self._name is None else GrowingFile(path / self._name, state["file"])

    def read(self, size: int = BLOCK) -> Piece:
        """Return the next lines of the file that is read, or of the next one."""
        waiting = self._waiting()
        items: list[bytes | Mark] = []
        if self._file is None:
            if not waiting:
                return Piece(())
            self._name = waiting.pop(0)
            self._file = GrowingFile(self.path / self._name)
            items.append(Mark("rotated", "", begins=True))
        piece = self._file.read(size)
        items += piece.items
        last = not any(_numbered(each) > _numbered(self._file.path.name) for each in waiting)
        if piece.more or last or not _is_settled(self._file.path):
            return Piece(tuple(items), piece.more)
        items += self._file.finish()
        self._file.close()
        self._done.add(_short(self._file.path.name))
        self._name = self._file = None
        return Piece(tuple(items), more=True)

    def state(self) -> dict[str, Any]:
        """Return where to go on."""
        file = None if self._file is None else self._file.state()
        return {"kind": "folder", "done": sorted(self._done), "name": self._name, "file": file}

    def close(self) -> None:
        """Close the file that is read."""
        if self._file is not None:
            self._file.close()

    def _waiting(self) -> list[str]:
        """Return the names of the files that were not begun, in order."""
        try:
            entries = [each for each in os.scandir(self.path) if each.name.lower().endswith(SUFFIXES)]
            if len(entries) > MOST_FILES:
                hint = "move those that were read away"
                raise InputError(f"more than {MOST_FILES} files in the folder", str(self.path), hint)
            names = {_short(each.name) for each in entries}
            if len(self._done) > 2 * len(names) + MOST_GONE and names:
                self._done &= names
            new = [each for each in entries if each.name != self._name and each.name[0] != "."]
            new = [each for each in new if _short(each.name) not in self._done and each.is_file()]
            return [each.name for each in sorted(new, key=_place_of)]
        except OSError:  # the folder is gone for now
            return []


def _opened(path: Path) -> BinaryIO | None:
    """Open a file; None if it is not there, cannot be read, or is something else by now."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")  # which does not wait for a pipe's writer
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def _begins_compressed(path: Path) -> bool:
    """Whether a file is compressed."""
    with path.open("rb") as file:
        return is_compressed(file.read(8))


def _place_of(entry: os.DirEntry[str]) -> tuple[list[Any], int, str]:
    """Return what a file is sorted by: its name with its numbers as numbers, and its time."""
    return _numbered(entry.name), entry.stat().st_mtime_ns, entry.name


def _numbered(name: str) -> list[Any]:
    return [int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", name))]


def _is_settled(path: Path) -> bool:
    """Whether a file has not changed for a while, or is gone."""
    try:
        return time.time() - path.stat().st_mtime >= SETTLED
    except OSError:
        return True


def _short(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
