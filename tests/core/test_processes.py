"""Worker processes that cannot be started: no other one is left, and the line says where."""

from __future__ import annotations

import errno
import multiprocessing
import signal
import time

import pytest

from ape.core.errors import InputError
from ape.core.processes import require_shared_memory, starting_workers


def test_workers_that_started_end_when_the_next_one_cannot():
    worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    with pytest.raises(BlockingIOError), starting_workers():
        worker.start()
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL


def test_shared_memory_that_cannot_be_written_is_refused(monkeypatch):
    def refuse() -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    require_shared_memory()
    monkeypatch.setattr(multiprocessing, "Lock", refuse)
    with pytest.raises(InputError, match=r"Read-only file system \(/dev/shm\)"):
        require_shared_memory()
