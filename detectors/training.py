"""Training a backbone on windows of one series, with early stop on a held-out tail of the normal part."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ape.detectors.checkpoint import MEND, Checkpoint, flatten, under
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


@contextmanager
def modes_kept(module: nn.Module) -> Iterator[None]:
    """Afterwards each part of ``module`` is in training or evaluation mode as it was before."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def train(
    module: nn.Module,
    values: Tensor,
    window: int,
    budget: Budget,
    seed: int,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train ``module`` in place on windows of ``values`` and leave it with the weights that did best on the tail.

    Parameters
    ----------
    module : nn.Module
        With ``loss(windows [B, C, L])``, and ``fit_scores(windows)`` if its own score needs figures of normal windows.
    values : Tensor [n, C]
        Standardised training part, on the module's device; windows are gathered from it, never stored.
    window : int
    budget : Budget
    seed : int
        Order of the windows, and the backbone's own noise.
    progress : Progress, optional
    checkpoint : Checkpoint, optional
        Written at each look at the tail. If it is there already, training goes on from it, on CPU to the same weights.
    """
    tail = max(window + 1, int(TAIL_SHARE * len(values)))
    held_out = _windows(
        values[-tail:], torch.linspace(0, tail - window, min(MOST_TAIL_WINDOWS, tail - window)).long(), window
    )
    rest = values[:-tail]
    generator = torch.Generator().manual_seed(seed)
    state = _State(module, budget)
    with seeded(seed):
        if checkpoint is not None and (kept := checkpoint.load()) is not None:
            state.restore(*kept, checkpoint.path)
        for first in islice(_batches(len(rest) - window + 1, budget, generator), state.step, None):
            _step(state, _windows(rest, first, window))
            if state.step % budget.check_every and state.step != budget.steps:
                continue
            state.look(held_out)
            done = state.waited >= budget.patience or state.step == budget.steps
            if checkpoint is not None and not done:
                checkpoint.save(*state.stored())
            if progress is not None:
                progress("training", budget.steps if done else state.step, budget.steps, state.told())
            if done:
                break
    module.load_state_dict(state.best_weights)
    module.eval()
    if hasattr(module, "fit_scores"):
        with torch.no_grad():
            module.fit_scores(held_out)  # type: ignore[operator]


class _State:
    """All that changes while a module is trained."""

    def __init__(self, module: nn.Module, budget: Budget) -> None:
        self.module = module
        self.optimiser = torch.optim.Adam(module.parameters(), lr=budget.rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, budget.steps, eta_min=0.05 * budget.rate
        )
        self.step, self.waited, self.best = 0, 0, float("inf")
        self.best_weights = copy.deepcopy(module.state_dict())

    def look(self, held_out: Tensor) -> None:
        """Measure the error on the tail, and keep the weights if they are the best so far."""
        self.module.eval()
        with torch.no_grad():
            error = float((held_out - self.module.reconstruct(held_out)).square().mean())  # type: ignore[operator]
        self.waited = 0 if error < 0.999 * self.best else self.waited + 1
        if error < self.best:
            self.best, self.best_weights = error, copy.deepcopy(self.module.state_dict())

    def told(self) -> str:
        """What people are told of it."""
        return f"held-out error {self.best:.4g}"

    def stored(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values for a checkpoint."""
        optimiser = self.optimiser.state_dict()
        moments = {f"{i}/{name}": value for i, state in optimiser["state"].items() for name, value in state.items()}
        tensors = flatten("weights", self.module.state_dict()) | flatten("best", self.best_weights)
        tensors |= flatten("optimiser", moments) | flatten("random", _random_states())
        plain = {"groups": optimiser["param_groups"], "schedule": self.schedule.state_dict()}
        return tensors, plain | {"step": self.step, "waited": self.waited, "best": self.best}

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any], path: Path) -> None:
        """Go back to what `stored` gave."""
        moments: dict[int, dict[str, Tensor]] = {}
        try:
            for name, value in under("optimiser", tensors).items():
                i, _, part = name.partition("/")
                moments.setdefault(int(i), {})[part] = value
            self.module.load_state_dict(under("weights", tensors))
            self.best_weights = under("best", tensors)
            self.optimiser.load_state_dict({"state": moments, "param_groups": plain["groups"]})
            self.schedule.load_state_dict(plain["schedule"])
            self.step, self.waited, self.best = plain["step"], plain["waited"], plain["best"]
            _set_random_states(under("random", tensors))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"unfinished training does not fit: {error}"[:300], str(path), MEND) from error


def _step(state: _State, windows: Tensor) -> None:
    state.module.train()
    state.step += 1
    loss = state.module.loss(windows)  # type: ignore[operator]
    if not torch.isfinite(loss):
        raise InputError(f"the training loss is not finite at step {state.step}", "training", "lower the learning rate")
    state.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.module.parameters(), 10.0)
    state.optimiser.step()
    state.schedule.step()


def _random_states() -> dict[str, Tensor]:
    devices = range(torch.cuda.device_count())
    return {"cpu": torch.get_rng_state()} | {str(i): torch.cuda.get_rng_state(i) for i in devices}


def _set_random_states(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for i in range(torch.cuda.device_count()):
        if str(i) in states:
            torch.cuda.set_rng_state(states[str(i)], i)


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
