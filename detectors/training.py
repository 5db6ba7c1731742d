"""Train one backbone on the windows of one series, with early stop on a held-out tail."""

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
from ape.core.threads import threads_for
from ape.detectors.contract import Backbone
from ape.detectors.schedule import MAX_GRADIENT, Budget, EarlyStop, adam, batches, split_tail, windows_at
from ape.series.windows import Segments


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators on CPU and GPU, and restore their states afterwards."""
    devices = torch.cuda.device_count()
    with torch.random.fork_rng(devices=range(devices)):
        torch.default_generator.manual_seed(seed)
        if devices:  # `torch.manual_seed` would keep the seed and the stack for GPUs to come, which takes 5 ms
            torch.cuda.manual_seed_all(seed)
        yield


@contextmanager
def preserve_modes(module: nn.Module) -> Iterator[None]:
    """Restore the training or evaluation mode of each submodule afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def train(
    module: Backbone,
    values: Tensor,
    segments: Segments,
    window: int,
    budget: Budget,
    seed: int,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train ``module`` in place and leave it with the weights of the lowest error on the tail.

    Parameters
    ----------
    module : Backbone
    values : Tensor [n, C]
        Standardised training part, on the module's device. Windows are gathered from it step by step.
    segments : sequence of (int, int)
        Stretches of the values. No window crosses their ends.
    window : int
    budget : Budget
    seed : int
        Determines the order of the windows and the noise of the loss.
    progress : Progress, optional
    checkpoint : Checkpoint, optional
        Written after each evaluation. If it exists, training resumes from it; on CPU the weights are then the same as
        without interruption.

    Raises
    ------
    InputError
        The loss is not finite, or the checkpoint is damaged or belongs to another training.
    """
    learned, tail = split_tail(segments, window)
    held_out = windows_at(values, tail, window)
    generator = torch.Generator().manual_seed(seed)
    run = _TrainingRun(module, budget)
    with seeded(seed), threads_for(values.shape[-1], window):
        if checkpoint is not None and (saved := checkpoint.load()) is not None:
            with checkpoint.refuse_mismatch():
                run.restore(*saved)
        for starts in islice(batches(learned, budget, generator), run.step, None):
            run.take_step(windows_at(values, starts, window))
            if run.step % budget.check_every and run.step != budget.steps:
                continue
            run.evaluate(held_out)
            done = run.stop.waited >= budget.patience or run.step == budget.steps
            if checkpoint is not None and not done:
                checkpoint.save(*run.snapshot())
            if progress is not None:
                note = f"held-out error {run.stop.best:.4g}"
                progress("training", budget.steps if done else run.step, budget.steps, note)
            if done:
                break
    module.load_state_dict(run.best_weights)
    finish(module, held_out)


def finish(module: Backbone, held_out: Tensor) -> None:
    """Switch a trained module to evaluation mode and fit its own score on held-out normal windows [B, C, L]."""
    module.eval()
    with torch.no_grad():
        module.fit_scores(held_out)


def not_finite(step: int) -> InputError:
    """Return the error for a loss that is not finite at ``step``."""
    return InputError(f"the training loss is not finite at step {step}", "training", "lower the learning rate")


class _TrainingRun:
    """A module with its optimiser, early stop and best weights: everything that changes during training."""

    def __init__(self, module: Backbone, budget: Budget) -> None:
        self.module = module
        self.optimiser, self.schedule = adam(module.parameters(), budget)
        self.state = TrainingState({"weights": module}, self.optimiser, self.schedule)
        self.step, self.stop = 0, EarlyStop()
        self.best_weights = copy.deepcopy(module.state_dict())

    def take_step(self, windows: Tensor) -> None:
        """Take one optimiser step on windows [B, C, L]."""
        self.module.train()
        self.step += 1
        loss = self.module.loss(windows)
        if not torch.isfinite(loss):
            raise not_finite(self.step)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), MAX_GRADIENT)
        self.optimiser.step()
        self.schedule.step()

    def evaluate(self, held_out: Tensor) -> None:
        """Measure the error on the tail, and keep the weights if it is the lowest so far."""
        self.module.eval()
        with torch.no_grad():
            error = float((held_out - self.module.reconstruct(held_out)).square().mean())
        if self.stop.update(error):
            self.best_weights = copy.deepcopy(self.module.state_dict())

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and plain values for a checkpoint."""
        tensors, plain = self.state.snapshot()
        counters = {"step": self.step, "waited": self.stop.waited, "best": self.stop.best}
        return tensors | add_prefix("best", self.best_weights), plain | counters

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Restore the values returned by `snapshot`."""
        self.step, self.stop = plain["step"], EarlyStop(plain["best"], plain["waited"])
        self.best_weights = select_prefix("best", tensors)
        self.state.restore(tensors, plain)
