"""Too little memory for a batch: half of it at once, and half of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from ape.core.errors import InputError

T = TypeVar("T")


@dataclass
class BatchSize:
    """How many windows are worked on at once: half as many, from then on, each time that a GPU's memory runs out.

    Parameters
    ----------
    size : int
    """

    size: int

    def run(self, call: Callable[[int], T]) -> T:
        """Result of ``call(at_once)``, begun anew with half as many each time that memory runs out.

        Raises
        ------
        InputError
            There is no room for a single window.
        """
        while True:
            try:
                return call(self.size)
            except torch.OutOfMemoryError as error:
                if self.size <= 1:
                    raise InputError(
                        "not enough GPU memory for a single window",
                        "memory",
                        "free it of other work, take a shorter window or a smaller backbone, or use the CPU",
                    ) from error
            # Out of the handler, since the error keeps alive what the call had in memory.
            self.size //= 2
            torch.cuda.empty_cache()
