"""Standard streams that are closed, or that nobody can write to. Only the standard library is imported here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


def open_closed_streams() -> None:
    """Open what of the three standard streams is closed, as empty: a file would get its number, and what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


class NamedOutput:
    """The standard output, whose errors say its name as those of files do."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        with _naming_output():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is still in memory."""
        with _naming_output():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def named_output() -> Iterator[None]:
    """Let errors of the standard output say its name inside the block."""
    before = sys.stdout
    sys.stdout = cast(TextIO, NamedOutput(before))
    try:
        yield
    finally:
        sys.stdout = before


@contextlib.contextmanager
def _naming_output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


def say(line: str) -> None:
    """Print a line on the standard error; nothing happens if that is not possible."""
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except OSError:
        _discard(2)


def broken_output() -> bool:
    """Return whether the standard output cannot be written; what is left of it is discarded."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard(1)
        return True
    return False


def _discard(number: int) -> None:
    """Let a stream write nowhere, so that Python does not try again when it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
