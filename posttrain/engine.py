"""Draw the three branches (raw, augmented and pseudo-anomalous windows), and train on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
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
from ape.posttrain.state import PostTrainingState
from ape.rules import RuleBank, augment
from ape.series.windows import joined, sliding

MAX_CELLS = 6_000_000  # values in one branch of the pool


@dataclass(frozen=True)
class Pool:
    """Prepared windows of the three branches, [3, N, ...]: raw, augmented, pseudo-anomalous.

    Parameters
    ----------
    windows : Tensor [3, N, C, L]
        Data units.
    nearest : Tensor [3, N, 3 cells]
        Differences to the nearest training windows that do not overlap the host, see `Neighbours.pooled`. The part
        that depends on the backbone is from before training.
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
    """Draw hosts from the windows to train on, and create their three branches.

    Raises
    ------
    EmptyBankError
        The negatives come from a bank without a rule that can be placed.
    """
    device = device_of(model.backbone)
    n = min(recipe.pool, max(recipe.batch, MAX_CELLS // (model.window * candidates.values.shape[1])))
    draw = torch.randint(len(candidates.fit), (n,), generator=generator)
    positions = torch.from_numpy(candidates.fit)[draw]
    hosts = torch.from_numpy(sliding(candidates.values, model.window)[positions.numpy()])
    pseudo = negatives(hosts, generator, positions)
    windows = torch.stack([hosts, augment(hosts, generator, bank.context), pseudo])
    # the same amount of jitter on every branch, so that the head cannot learn the jitter
    deviation = joined(candidates.values, candidates.segments).std(axis=0, dtype=np.float64)[:, None]
    windows += recipe.jitter * torch.from_numpy(deviation).float() * torch.randn(windows.shape, generator=generator)
    windows = windows.to(device)
    nearest = torch.stack([model.nearest(branch, positions.to(device)) for branch in windows])
    return Pool(windows, nearest)


@torch.no_grad()
def outputs(model: EnhancedDetector, windows: torch.Tensor, nearest: torch.Tensor) -> Parts:
    """Return the inputs of the head for windows [N, C, L], computed in batches."""

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

    About twenty times, the losses are read from the device and validated, the weights are stored in memory, the state
    is written to ``checkpoint``, and ``progress`` is called.

    Parameters
    ----------
    checkpoint : Path, optional
        A file. If it exists, training resumes from it; on CPU, the resulting weights are the same.

    Returns
    -------
    dict
        The loss curve, the seconds of each kind of step, and the number of free parameters of the backbone.

    Raises
    ------
    NotFiniteError
        The loss or its gradient is NaN or infinite. ``model`` then has the weights of the last successful check.
    InputError
        GPU memory is too small for a single window, or ``checkpoint`` is damaged or belongs to another post-training.
    """
    if recipe.head_steps + recipe.joint_steps == 0:
        return {"curve": [], "seconds": {}, "free_parameters": 0}
    post_training = PostTraining.begin(model, pool, recipe, generator)
    file = None
    if checkpoint is not None:
        file = Checkpoint(checkpoint, fingerprint(recipe, pool.windows, *model.module.state_dict().values()))
        if (stored := file.load()) is not None:
            with file.refuse_mismatch():
                post_training.state.restore(*stored)
    post_training.run(progress, file)
    return post_training.figures()


@dataclass(frozen=True)
class PostTraining:
    """A post-training in progress.

    Parameters
    ----------
    model : EnhancedDetector
        Trained in place.
    pool : Pool
    recipe : Recipe
        With at least one step.
    free : list of Parameter
        Parameters of the backbone that may change.
    state : PostTrainingState
    picks : tuple of Tensor
        Indices of the pool's windows for each step.
    """

    model: EnhancedDetector
    pool: Pool
    recipe: Recipe
    free: list[nn.Parameter]
    state: PostTrainingState
    picks: tuple[torch.Tensor, ...]

    @classmethod
    def begin(cls, model: EnhancedDetector, pool: Pool, recipe: Recipe, generator: torch.Generator) -> PostTraining:
        """Prepare the first step."""
        model.module.eval()
        free = trainable(model.backbone, recipe.freeze, pool.windows[0, :2])
        state = PostTrainingState(model, free, recipe)
        return cls(model, pool, recipe, free, state, draw_picks(pool, recipe, state.head_steps, generator))

    def run(self, progress: Progress, checkpoint: Checkpoint | None = None) -> None:
        """Run the remaining steps, see `train`."""
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
                    losses = head_gradients(head, select_outputs(stored, pick), recipe)
                else:
                    losses = rows.run(partial(joint, pick))
                state.update(*losses)
                if state.is_check():
                    note = state.check(*losses)
                    if checkpoint is not None:
                        state.save(checkpoint)
                    progress("post-training", state.done, state.total, note)
        head.eval()

    def figures(self) -> dict[str, Any]:
        """Return the figures for the report, see `train`."""
        free = sum(parameter.numel() for parameter in self.free)
        return {"curve": self.state.curve, "seconds": self.state.seconds, "free_parameters": free}


def select_outputs(stored: Parts, pick: torch.Tensor) -> Parts:
    """Select the inputs of the head for one step, [3B, .] each, from those of the pool, [3, N, .]."""
    return Parts(*(part[:, pick].flatten(0, 1) for part in stored))


def draw_picks(pool: Pool, recipe: Recipe, head_steps: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Draw the indices of the pool's windows for all steps, int64 [batch] each, in one transfer to the device."""
    n, total = pool.windows.shape[1], recipe.head_steps + recipe.joint_steps
    sizes = [recipe.batch if step < head_steps else recipe.joint_batch for step in range(total)]
    picks = [torch.randperm(n, generator=generator)[:size] for size in sizes]
    return torch.cat(picks).to(pool.windows.device).split([len(pick) for pick in picks])


def stored_outputs(model: EnhancedDetector, pool: Pool) -> Parts:
    """Return the inputs of the head for all windows of the pool, [3, N, .] each."""
    with seeded(0):  # a backbone that draws random numbers gives the same outputs when training resumes
        parts = outputs(model, pool.windows.flatten(0, 1), pool.nearest.flatten(0, 1))
    return Parts(*(part.unflatten(0, (3, -1)) for part in parts))


def fit_outputs(model: EnhancedDetector, candidates: Candidates) -> Parts:
    """Return the inputs of the head for all windows to train on."""
    device = device_of(model.backbone)
    windows = torch.from_numpy(sliding(candidates.values, model.window)[candidates.fit]).to(device)
    model.module.eval()
    return outputs(model, windows, model.nearest(windows, torch.from_numpy(candidates.fit).to(device)))
