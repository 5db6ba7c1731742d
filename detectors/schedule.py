"""What every training has in common: its budget, the order of its windows, its held-out tail, and when it stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TAIL_SHARE = 0.15  # of the training part, held out for the early stop
MOST_TAIL_WINDOWS = 256
BETTER = 0.999  # of the best error: below it a look counts as a better one
MAX_GRADIENT = 10.0  # norm that gradients are clipped to


@dataclass(frozen=True)
class Budget:
    """How a backbone is trained.

    Parameters
    ----------
    steps : int
        At most this many.
    batch : int
        Windows a step.
    rate : float
        Learning rate of Adam, annealed by half a cosine.
    check_every : int
        Steps between looks at the held-out tail.
    patience : int
        Looks without a better one until training stops.
    """

    steps: int = 1500
    batch: int = 128
    rate: float = 1e-3
    check_every: int = 50
    patience: int = 6


@dataclass
class EarlyStop:
    """The best error on the tail so far, and the looks since one that was better."""

    best: float = float("inf")
    waited: int = 0

    def improves(self, error: float) -> bool:
        """Take in an error; whether it is the best so far."""
        self.waited = 0 if error < BETTER * self.best else self.waited + 1
        improved = error < self.best
        if improved:
            self.best = error
        return improved


def adam(
    parameters: Iterable[nn.Parameter], budget: Budget
) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.CosineAnnealingLR]:
    """Optimiser, and the schedule of its rate."""
    optimiser = torch.optim.Adam(parameters, lr=budget.rate, fused=True)
    return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, budget.steps, eta_min=0.05 * budget.rate)


def split_tail(length: int, window: int) -> tuple[int, Tensor]:
    """Points to learn from, and starts of the windows of the tail behind them, int64."""
    tail = max(window + 1, int(TAIL_SHARE * length))
    first = torch.linspace(0, tail - window, min(MOST_TAIL_WINDOWS, tail - window)).long()
    return length - tail, length - tail + first


def batches(count: int, budget: Budget, generator: torch.Generator) -> Iterator[Tensor]:
    """Starts of windows, those of each step, shuffled anew each epoch; what is left of one is dropped."""
    step, size = 0, min(budget.batch, count)
    while step < budget.steps:
        order = torch.randperm(count, generator=generator)
        for batch in order[: count // size * size].split(size):
            yield batch
            step += 1
            if step >= budget.steps:
                return


def windows_at(values: Tensor, first: Tensor, window: int) -> Tensor:
    """Windows [..., C, L] of ``values`` [n, C] that begin at ``first`` [...]."""
    index = first.to(values.device)[..., None] + torch.arange(window, device=values.device)
    return values[index].transpose(-1, -2)
