"""Training a backbone on windows of one series, with early stop on a held-out tail of the normal part."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from ape.core.checkpoint import Checkpoint, TrainingState, add_prefix, select_prefix
from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors.schedule import MAX_GRADIENT, Budget, EarlyStop, adam, batches, split_tail, windows_at


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
    points, tail = split_tail(len(values), window)
    held_out = windows_at(values, tail, window)
    generator = torch.Generator().manual_seed(seed)
    state = _State(module, budget)
    with seeded(seed):
        if checkpoint is not None and (kept := checkpoint.load()) is not None:
            with checkpoint.refuse_mismatch():
                state.restore(*kept)
        for first in islice(batches(points - window + 1, budget, generator), state.step, None):
            _step(state, windows_at(values, first, window))
            if state.step % budget.check_every and state.step != budget.steps:
                continue
            state.look(held_out)
            done = state.stop.waited >= budget.patience or state.step == budget.steps
            if checkpoint is not None and not done:
                checkpoint.save(*state.snapshot())
            if progress is not None:
                progress("training", budget.steps if done else state.step, budget.steps, state.told())
            if done:
                break
    module.load_state_dict(state.best_weights)
    finish(module, held_out)


def finish(module: nn.Module, held_out: Tensor) -> None:
    """Make a trained module ready to score; ``held_out`` [B, C, L] are normal windows that it did not learn from."""
    module.eval()
    if hasattr(module, "fit_scores"):
        with torch.no_grad():
            module.fit_scores(held_out)  # type: ignore[operator]


def not_finite(step: int) -> InputError:
    """The refusal of a training whose loss at a step is no number."""
    return InputError(f"the training loss is not finite at step {step}", "training", "lower the learning rate")


class _State:
    """All that changes while a module is trained."""

    def __init__(self, module: nn.Module, budget: Budget) -> None:
        self.module = module
        self.optimiser, self.schedule = adam(module.parameters(), budget)
        self.learning = TrainingState({"weights": module}, self.optimiser, self.schedule)
        self.step, self.stop = 0, EarlyStop()
        self.best_weights = copy.deepcopy(module.state_dict())

    def look(self, held_out: Tensor) -> None:
        """Measure the error on the tail, and keep the weights if they are the best so far."""
        self.module.eval()
        with torch.no_grad():
            error = float((held_out - self.module.reconstruct(held_out)).square().mean())  # type: ignore[operator]
        if self.stop.improves(error):
            self.best_weights = copy.deepcopy(self.module.state_dict())

    def told(self) -> str:
        """What people are told of it."""
        return f"held-out error {self.stop.best:.4g}"

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values for a checkpoint."""
        tensors, plain = self.learning.snapshot()
        counters = {"step": self.step, "waited": self.stop.waited, "best": self.stop.best}
        return tensors | add_prefix("best", self.best_weights), plain | counters

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Go back to what `stored` gave."""
        self.step, self.stop = plain["step"], EarlyStop(plain["best"], plain["waited"])
        self.best_weights = select_prefix("best", tensors)
        self.learning.restore(tensors, plain)


def _step(state: _State, windows: Tensor) -> None:
    state.module.train()
    state.step += 1
    loss = state.module.loss(windows)  # type: ignore[operator]
    if not torch.isfinite(loss):
        raise not_finite(state.step)
    state.optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(state.module.parameters(), MAX_GRADIENT)
    state.optimiser.step()
    state.schedule.step()
