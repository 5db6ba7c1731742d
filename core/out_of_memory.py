"""Retry with a smaller batch when a GPU runs out of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from ape.core.errors import InputError

T = TypeVar("T")


@dataclass
class BatchSize:
    """Number of windows processed at once. It is halved whenever the GPU runs out of memory, and stays halved.

    Parameters
    ----------
    size : int
    """

    size: int

    def run(self, call: Callable[[int], T]) -> T:
        """Return ``call(size)``. Halve ``size`` and call again as long as memory runs out.

        Raises
        ------
        InputError
            The memory is not enough for a single window.
        """
        while True:
            try:
                return call(self.size)
            except torch.OutOfMemoryError as error:
                if self.size <= 1:
                    raise InputError(
                        "not enough GPU memory for a single window",
                        "memory",
                        "free GPU memory, use a shorter window or a smaller backbone, or use the CPU",
                    ) from error
            # Outside the handler: the exception keeps the tensors of the failed call alive.
            self.size //= 2
            torch.cuda.empty_cache()
