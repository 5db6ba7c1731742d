"""Standard streams that are closed, or that nobody can write to. Only the standard library is imported here."""

from __future__ import annotations

import contextlib
import os
import sys


def open_closed_streams() -> None:
    """Open what of the three standard streams is closed, as empty: a file would get its number, and what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


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
