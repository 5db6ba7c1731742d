"""How many threads of torch a computation is divided among."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 4096  # channels times samples of a window, for which a second thread costs more than it saves


@contextmanager
def one_thread() -> Iterator[int]:
    """Compute on one thread of torch, also in Python threads that start inside; give the number of threads before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_for(channels: int, window: int) -> Iterator[None]:
    """Train a network on one thread if its windows are small.

    Threads wait for each other after each of many short operations. Where other programs run, too, such a wait can take
    several times as long as the operation.
    """
    if channels * window > SMALL:
        yield
    else:
        with one_thread():
            yield
