"""Worker processes that leave Ctrl-C to the process that started them, and do not outlive it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker

from ape.core.errors import InputError
from ape.core.limits import shortage
from ape.core.temporaries import remove_unfinished

SHARED_MEMORY = "/dev/shm"  # where Linux keeps semaphores


def end_with_parent() -> None:
    """Let this worker process end as soon as the process that started it has ended, however that was."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        remove_unfinished()
        os._exit(1)

    with contextlib.suppress(RuntimeError):  # no more threads are allowed: the pool alone ends this process
        threading.Thread(target=wait, daemon=True).start()


def require_shared_memory() -> None:
    """Refuse a system on which no worker processes can be started, since its shared memory cannot be written.

    Raises
    ------
    InputError
    """
    try:
        multiprocessing.Lock()
    except OSError as error:
        if shortage(error):
            raise
        what = f"no shared memory for worker processes: {error.strerror}"
        raise InputError(what, SHARED_MEMORY, "mount it there, writable and with free space") from error


def start_worker() -> None:
    """Prepare a worker process; the ``initializer`` of pools."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


@contextlib.contextmanager
def starting_workers() -> Iterator[None]:
    """Keep Ctrl-C from the processes that are started inside the block, also before they can ignore it.

    It holds for the fork server of `multiprocessing`, too. This process gets its Ctrl-C when the block ends, or by
    another of its threads. Processes are ended if the block fails, since a pool then neither uses nor ends them.
    """
    others = multiprocessing.active_children()
    resource_tracker.ensure_running()  # it would end the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    except BaseException:
        for worker in multiprocessing.active_children():
            if worker not in others:
                worker.kill()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
