"""Worker processes that leave Ctrl-C to the process that started them, and do not outlive it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker

from ape.core.temporaries import remove_unfinished


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
