"""Training a backbone on windows of one series, with early stop on a held-out tail of the normal part."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ape.detectors.protocol import Progress
from ape.series import InputError

TAIL_SHARE = 0.15  # of the training part, held out for the early stop
MOST_TAIL_WINDOWS = 256


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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torch's global generators, on CPU and GPU, draw as from ``seed``; afterwards they are as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield


def train(
    module: nn.Module, values: Tensor, window: int, budget: Budget, seed: int, progress: Progress | None = None
) -> None:
    """Train ``module`` in place on windows of ``values`` and leave it with the weights that did best on the tail.

    Parameters
    ----------
    module : nn.Module
        With ``loss(windows [B, C, L])``.
    values : Tensor [n, C]
        Standardised training part, on the module's device; windows are gathered from it, never stored.
    window : int
    budget : Budget
    seed : int
        Order of the windows, and the backbone's own noise.
    """
    tail = max(window + 1, int(TAIL_SHARE * len(values)))
    held_out = _windows(
        values[-tail:], torch.linspace(0, tail - window, min(MOST_TAIL_WINDOWS, tail - window)).long(), window
    )
    rest = values[:-tail]
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(module.parameters(), lr=budget.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, budget.steps, eta_min=0.05 * budget.rate)
    best, best_state, waited = float("inf"), copy.deepcopy(module.state_dict()), 0
    with seeded(seed):
        for step, first in enumerate(_batches(len(rest) - window + 1, budget, generator), start=1):
            module.train()
            loss = module.loss(_windows(rest, first, window))  # type: ignore[operator]
            if not torch.isfinite(loss):
                raise InputError(
                    f"the training loss is not finite at step {step}", "training", "lower the learning rate"
                )
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 10.0)
            optimiser.step()
            schedule.step()
            if step % budget.check_every and step != budget.steps:
                continue
            module.eval()
            with torch.no_grad():
                error = float((held_out - module.reconstruct(held_out)).square().mean())  # type: ignore[operator]
            waited = 0 if error < 0.999 * best else waited + 1
            if error < best:
                best, best_state = error, copy.deepcopy(module.state_dict())
            done = waited >= budget.patience or step == budget.steps
            if progress is not None:
                progress("training", budget.steps if done else step, budget.steps, f"held-out error {best:.4g}")
            if done:
                break
    module.load_state_dict(best_state)
    module.eval()


def _batches(count: int, budget: Budget, generator: torch.Generator) -> Iterator[Tensor]:
    """Starts of windows, shuffled anew each epoch."""
    step, size = 0, min(budget.batch, count)
    while step < budget.steps:
        order = torch.randperm(count, generator=generator)
        for batch in order.split(size):
            if len(batch) < size and count > size:
                break
            yield batch
            step += 1
            if step >= budget.steps:
                return


def _windows(values: Tensor, first: Tensor, window: int) -> Tensor:
    """Windows [B, C, L] of ``values`` [n, C] that begin at ``first``."""
    index = first.to(values.device)[:, None] + torch.arange(window, device=values.device)
    return values[index].transpose(1, 2)
