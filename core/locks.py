"""Locks on folders between processes. The kernel releases the lock of a process that ends, in whatever way."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ape.core.atomic import cannot_write
from ape.core.errors import InputError

LOCK = ".lock"


class InUseError(InputError):
    """Another process has the lock of a folder."""


_held: dict[Path, tuple[int, int]] = {}  # by path: file descriptor, and how often this process has entered
_changing = threading.Lock()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; yield whether this process did not hold it already.

    The lock is one of the kernel on the file ``.lock``, which stays. Its content only says who has it, so it means
    nothing after a crash, a restart of the machine, or for another process with the same number.

    Raises
    ------
    InUseError
        Another process has it.
    """
    key = folder.resolve()
    first = _enter(key, folder)
    try:
        yield first
    finally:
        _leave(key)


def _enter(key: Path, folder: Path) -> bool:
    with _changing:
        handle, depth = _held.get(key, (-1, 0))
        if not depth:
            handle = _open_and_lock(folder)
        _held[key] = handle, depth + 1
        return not depth


def _leave(key: Path) -> None:
    with _changing:
        handle, depth = _held.pop(key)
        if depth > 1:
            _held[key] = handle, depth - 1
        else:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)  # also for a process that was forked and has not closed it yet
            os.close(handle)


def _open_and_lock(folder: Path) -> int:
    while True:
        try:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise cannot_write(folder / LOCK, error) from error
        try:
            _lock(handle, folder)
            if os.fstat(handle).st_nlink:  # else the process that had the lock has just removed the file
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        who = _holder(os.pread(handle, 1000, 0))
        raise InUseError(f"in use by {who}", str(folder), "wait until it ends, or end it") from error
    except OSError:
        return  # some network shares have no locks
    since = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S%z}"
    me = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with contextlib.suppress(OSError):  # on a full disk, the file does not say who has it
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(me).encode(), 0)


def _holder(data: bytes) -> str:
    """Return who has the lock, by the content of its file."""
    try:
        found: dict[str, Any] = json.loads(data)
        return f"process {int(found['pid'])} on {str(found['host'])[:60]} since {str(found['since'])[:30]}"
    except (ValueError, LookupError, TypeError):
        return "another process"


def _forget_in_child() -> None:
    """Close the locks in a forked process, so that they end with the process that has taken them."""
    for handle, _ in _held.values():
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)
