"""Parts shared by several trainings: budget, learning rates, batches, held-out tail, early stop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ape.series.windows import Segments, count_points, split_starts, usable

TAIL_SHARE = 0.15  # of the training part, held out for the early stop
MAX_TAIL_WINDOWS = 256
PROGRESS_FACTOR = 0.999  # an error below this share of the best one resets the patience
MANY_CHANNELS, FEWEST = 32, 32  # channels from which on batches are smaller, and the least windows of a batch
MAX_GRADIENT = 10.0  # norm that gradients are clipped to


@dataclass(frozen=True)
class Budget:
    """How long and how fast a backbone is trained.

    Parameters
    ----------
    steps : int
        Maximum number of steps.
    batch : int
        Windows per step.
    rate : float
        Learning rate of Adam, annealed by half a cosine.
    check_every : int
        Steps between evaluations on the held-out tail.
    patience : int
        Evaluations without progress after which training stops.
    """

    steps: int = 1500
    batch: int = 128
    rate: float = 1e-3
    check_every: int = 50
    patience: int = 6

    def of_channels(self, channels: int) -> Budget:
        """Return the budget for a series with so many channels: of many, the batches are smaller.

        Layers over all values of a window grow with the channels, and so does the time of a step.
        """
        most = max(FEWEST, self.batch * MANY_CHANNELS // channels)
        return self if most >= self.batch else replace(self, batch=most)


@dataclass
class EarlyStop:
    """The best error on the tail, and the number of evaluations since the last progress."""

    best: float = float("inf")
    waited: int = 0

    def update(self, error: float) -> bool:
        """Record an error and return whether it is the best so far."""
        self.waited = 0 if error < PROGRESS_FACTOR * self.best else self.waited + 1
        improved = error < self.best
        if improved:
            self.best = error
        return improved


def adam(
    parameters: Iterable[nn.Parameter], budget: Budget
) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.CosineAnnealingLR]:
    """Return the optimiser and the schedule of its learning rate."""
    optimiser = torch.optim.Adam(parameters, lr=budget.rate, fused=True)
    return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, budget.steps, eta_min=0.05 * budget.rate)


def warm_cosine(step: int, steps: int, warm_up: int) -> float:
    """Return the share of the highest learning rate at a step: it rises linearly, then falls as a cosine.

    It is 0 before the first step.
    """
    return max(0.0, min(1.0, (step + 1) / warm_up)) * (0.5 + 0.5 * math.cos(math.pi * step / max(1, steps)))


def split_tail(segments: Segments, window: int) -> tuple[Tensor, Tensor]:
    """Split the windows of a training part into those to learn from and those of a held-out tail.

    Parameters
    ----------
    segments : sequence of (int, int)
        Stretches of the training part, as `Series.train_segments`.
    window : int

    Returns
    -------
    learned, held_out : Tensor, int64
        Starts of the windows; of a long tail, a regular subset.
    """
    length = count_points(usable(segments, window))
    early, late = split_starts(segments, window, max(window + 1, int(TAIL_SHARE * length)))
    chosen = torch.linspace(0, len(late) - 1, min(MAX_TAIL_WINDOWS, max(1, len(late) - 1))).long()
    return torch.from_numpy(early), torch.from_numpy(late)[chosen]


def batches(starts: Tensor, budget: Budget, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the window starts of each step, drawn from ``starts`` [n].

    The order is shuffled in each epoch; an incomplete last batch of an epoch is dropped.
    """
    count, step = len(starts), 0
    size = min(budget.batch, count)
    while step < budget.steps:
        order = torch.randperm(count, generator=generator)
        for batch in order[: count // size * size].split(size):
            yield starts[batch]
            step += 1
            if step >= budget.steps:
                return


def windows_at(values: Tensor, starts: Tensor, window: int) -> Tensor:
    """Return the windows [..., C, L] of ``values`` [n, C] that begin at ``starts`` [...]."""
    index = starts.to(values.device)[..., None] + torch.arange(window, device=values.device)
    return values[index].transpose(-1, -2)
