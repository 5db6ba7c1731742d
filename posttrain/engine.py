"""The three branches: raw, augmented and pseudo-anomalous windows, and the training on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ape.core.checkpoint import Checkpoint, fingerprint
from ape.core.out_of_memory import BatchSize
from ape.core.progress import Progress
from ape.detectors.training import seeded
from ape.posttrain.candidates import Candidates
from ape.posttrain.detector import EnhancedDetector, device_of
from ape.posttrain.freezing import trainable, training
from ape.posttrain.gradients import head_gradients, joint_gradients
from ape.posttrain.negatives import Negatives
from ape.posttrain.parts import BATCH, Parts, parts_of
from ape.posttrain.recipe import Recipe
from ape.posttrain.state import State
from ape.rules import RuleBank, augment
from ape.series.windows import sliding

MAX_CELLS = 6_000_000  # values in one branch of the pool


@dataclass(frozen=True)
class Pool:
    """Prepared windows of the three branches, [3, N, ...]: raw, augmented, pseudo-anomalous.

    Parameters
    ----------
    windows : Tensor [3, N, C, L]
        Data units.
    nearest : Tensor [3, N, 3 cells]
        What sets them apart from the nearest training windows that do not overlap the host, see `Neighbours.pooled`;
        the backbone's part of it is that of before the training.
    """

    windows: torch.Tensor
    nearest: torch.Tensor


def draw_pool(
    model: EnhancedDetector,
    bank: RuleBank,
    negatives: Negatives,
    candidates: Candidates,
    recipe: Recipe,
    generator: torch.Generator,
) -> Pool:
    """Draw hosts among the windows to learn from and make their three branches.

    Raises
    ------
    EmptyBankError
        The negatives are those of a bank without a rule that can be placed.
    """
    device = device_of(model.backbone)
    n = min(recipe.pool, max(recipe.batch, MAX_CELLS // (model.window * candidates.values.shape[1])))
    draw = torch.randint(len(candidates.fit), (n,), generator=generator)
    positions = torch.from_numpy(candidates.fit)[draw]
    hosts = torch.from_numpy(sliding(candidates.values, model.window)[positions.numpy()])
    pseudo = negatives(hosts, generator, positions)
    windows = torch.stack([hosts, augment(hosts, generator, bank.context), pseudo])
    # The same jitter on every branch, or the head learns the jitter.
    deviation = torch.from_numpy(candidates.values.std(axis=0))[:, None]
    windows += recipe.jitter * deviation * torch.randn(windows.shape, generator=generator)
    windows = windows.to(device)
    nearest = torch.stack([model.nearest(branch, positions.to(device)) for branch in windows])
    return Pool(windows, nearest)


@torch.no_grad()
def outputs(model: EnhancedDetector, windows: torch.Tensor, nearest: torch.Tensor) -> Parts:
    """Inputs of the head for windows [N, C, L], in batches."""

    def batches(size: int) -> list[Parts]:
        pairs = zip(windows.split(size), nearest.split(size), strict=True)
        return [parts_of(model.backbone, x, near)[0] for x, near in pairs]

    return Parts(*(torch.cat(part) for part in zip(*BatchSize(BATCH).run(batches), strict=True)))


def train(
    model: EnhancedDetector,
    pool: Pool,
    recipe: Recipe,
    generator: torch.Generator,
    progress: Progress,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Post-train the backbone and head of ``model`` in place.

    The host waits for the device at looks only, some twenty of them: there losses are read and checked, the weights
    kept in memory and all in ``checkpoint``, and progress is told.

    Parameters
    ----------
    checkpoint : Path, optional
        A file; if it is there already, training goes on from it, on CPU to the same weights.

    Returns
    -------
    dict
        The loss curve, the seconds that storing outputs and each kind of step took, the backbone's free parameters.

    Raises
    ------
    NotFiniteError
        The loss or its gradient became NaN or infinite; ``model`` then has the weights of the last look before.
    InputError
        Memory has no room for a single window, or ``checkpoint`` is damaged or of another post-training.
    """
    if recipe.head_steps + recipe.joint_steps == 0:
        return {"curve": [], "seconds": {}, "free_parameters": 0}
    course = Course.begin(model, pool, recipe, generator)
    kept = None
    if checkpoint is not None:
        kept = Checkpoint(checkpoint, fingerprint(recipe, pool.windows, *model.module.state_dict().values()))
        if (found := kept.load()) is not None:
            with kept.refuse_mismatch():
                course.state.restore(*found)
    course.go_on(progress, kept)
    return course.figures()


@dataclass(frozen=True)
class Course:
    """A post-training under way.

    Parameters
    ----------
    model : EnhancedDetector
        Trained in place.
    pool : Pool
    recipe : Recipe
        Of one step at least.
    free : list of Parameter
        The backbone's that may move.
    state : State
    picks : tuple of Tensor
        Which windows of the pool each step is on.
    """

    model: EnhancedDetector
    pool: Pool
    recipe: Recipe
    free: list[nn.Parameter]
    state: State
    picks: tuple[torch.Tensor, ...]

    @classmethod
    def begin(cls, model: EnhancedDetector, pool: Pool, recipe: Recipe, generator: torch.Generator) -> Course:
        """Before the first step."""
        model.module.eval()
        free = trainable(model.backbone, recipe.freeze, pool.windows[0, :2])
        state = State(model, free, recipe)
        return cls(model, pool, recipe, free, state, draw_picks(pool, recipe, state.head_steps, generator))

    def go_on(self, progress: Progress, kept: Checkpoint | None = None) -> None:
        """Take the steps that are left, see `train`."""
        model, pool, recipe, state = self.model, self.pool, self.recipe, self.state
        head, state.began = model.representation, time.perf_counter()
        stored = stored_outputs(model, pool) if state.done < state.head_steps else None
        rows = BatchSize(3 * recipe.joint_batch)

        def joint(pick: torch.Tensor, at_once: int) -> tuple[torch.Tensor, torch.Tensor]:
            state.forget_gradients()
            return joint_gradients(model, pool.windows[:, pick], pool.nearest[:, pick], recipe, at_once)

        head.train()
        with training(model.module, self.free):
            for pick in self.picks[state.done :]:
                if stored is not None and state.done < state.head_steps:
                    state.forget_gradients()
                    losses = head_gradients(head, picked(stored, pick), recipe)
                else:
                    losses = rows.run(partial(joint, pick))
                state.update(*losses)
                if state.is_look():
                    note = state.look(*losses)
                    if kept is not None:
                        state.save(kept)
                    progress("post-training", state.done, state.total, note)
        head.eval()

    def figures(self) -> dict[str, Any]:
        """What `train` says of it."""
        free = sum(parameter.numel() for parameter in self.free)
        return {"curve": self.state.curve, "seconds": self.state.seconds, "free_parameters": free}


def picked(stored: Parts, pick: torch.Tensor) -> Parts:
    """Inputs of the head for the windows of a step, [3B, .] each, out of those of the pool, [3, N, .]."""
    return Parts(*(part[:, pick].flatten(0, 1) for part in stored))


def draw_picks(pool: Pool, recipe: Recipe, head_steps: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Which windows of the pool each step is on, int64 [batch] each, drawn at once and moved to the device at once."""
    n, total = pool.windows.shape[1], recipe.head_steps + recipe.joint_steps
    sizes = [recipe.batch if step < head_steps else recipe.joint_batch for step in range(total)]
    picks = [torch.randperm(n, generator=generator)[:size] for size in sizes]
    return torch.cat(picks).to(pool.windows.device).split([len(pick) for pick in picks])


def stored_outputs(model: EnhancedDetector, pool: Pool) -> Parts:
    """Inputs of the head for all windows of the pool, [3, N, .] each."""
    with seeded(0):  # so that a backbone that draws gives the same wherever training goes on from
        parts = outputs(model, pool.windows.flatten(0, 1), pool.nearest.flatten(0, 1))
    return Parts(*(part.unflatten(0, (3, -1)) for part in parts))


def fit_outputs(model: EnhancedDetector, candidates: Candidates) -> Parts:
    """Inputs of the head for all windows to learn from."""
    device = device_of(model.backbone)
    windows = torch.from_numpy(sliding(candidates.values, model.window)[candidates.fit]).to(device)
    model.module.eval()
    return outputs(model, windows, model.nearest(windows, torch.from_numpy(candidates.fit).to(device)))
