"""The three branches: raw, augmented and pseudo-anomalous windows, and the training on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ape.detectors.protocol import Progress
from ape.posttrain.candidates import Candidates
from ape.posttrain.detector import BATCH, EnhancedDetector, device_of, parts_of
from ape.posttrain.freezing import trainable, training
from ape.posttrain.losses import info_nce
from ape.posttrain.negatives import Negatives
from ape.posttrain.recipe import Recipe
from ape.posttrain.representation import Parts
from ape.rules import RuleBank, augment
from ape.series.windows import sliding

MAX_GRADIENT = 5.0  # norm that gradients are clipped to
MAX_CELLS = 6_000_000  # values in one branch of the pool
CURVE_POINTS = 20  # of the loss curve kept for the report


@dataclass(frozen=True)
class Pool:
    """Prepared windows of the three branches, [3, N, ...]: raw, augmented, pseudo-anomalous.

    Parameters
    ----------
    windows : Tensor [3, N, C, L]
        Data units.
    nearest : Tensor [3, N, cells]
        Pooled residual to the nearest training window that does not overlap the host.
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
    rows = [
        parts_of(model.backbone, windows[i : i + BATCH], nearest[i : i + BATCH])[0]
        for i in range(0, len(windows), BATCH)
    ]
    return Parts(*(torch.cat(part) for part in zip(*rows, strict=True)))


def contrast(vectors: torch.Tensor, recipe: Recipe, centre: torch.Tensor) -> torch.Tensor:
    """``L_con`` of unit vectors [3, B, D] of the raw, augmented and pseudo-anomalous branch.

    ``centre`` [D] is what windows are drawn to where the recipe has no negatives.
    """
    raw, augmented, pseudo = vectors
    if recipe.negatives == "none":
        return 1 - (vectors[:2] @ centre).mean()
    own = torch.eye(len(raw), dtype=torch.bool, device=raw.device)
    if recipe.negatives == "batch":
        return info_nce(raw, augmented, own, augmented, recipe.temperature, ~own)
    if recipe.positives == "own":
        return info_nce(raw, augmented, own, pseudo, recipe.temperature)
    everyone = torch.cat([torch.ones_like(own), ~own], 1)
    return info_nce(raw, torch.cat([augmented, raw]), everyone, pseudo, recipe.temperature)


def train(
    model: EnhancedDetector, pool: Pool, recipe: Recipe, generator: torch.Generator, progress: Progress
) -> dict[str, Any]:
    """Post-train the backbone and head of ``model`` in place.

    Returns
    -------
    dict
        The loss curve, the seconds that storing outputs and each kind of step took, the backbone's free parameters.
    """
    head, module = model.representation, model.module
    module.eval()
    if recipe.head_steps + recipe.joint_steps == 0:
        return {"curve": [], "seconds": {}, "free_parameters": 0}
    free = trainable(model.backbone, recipe.freeze, pool.windows[0, :2])
    total = recipe.head_steps + recipe.joint_steps
    head_steps = recipe.head_steps if free else total
    rates = [(list(head.parameters()), recipe.head_rate), (free, recipe.backbone_rate)][: 2 if free else 1]
    optimiser = torch.optim.AdamW([{"params": parameters} for parameters, _ in rates])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [rate for _, rate in rates], total_steps=total)

    started = time.perf_counter()
    stored = outputs(model, pool.windows.flatten(0, 1), pool.nearest.flatten(0, 1)) if head_steps else None
    clock = {"stored_outputs": time.perf_counter() - started, "head": 0.0, "joint": 0.0}
    n, curve = pool.windows.shape[1], []
    head.train()
    with training(module, free):
        for step in range(total):
            started = time.perf_counter()
            kind, batch = ("head", recipe.batch) if step < head_steps else ("joint", recipe.joint_batch)
            pick = torch.randperm(n, generator=generator)[:batch].to(pool.windows.device)
            if stored is not None and step < head_steps:
                rows = (torch.arange(3, device=pick.device)[:, None] * n + pick).flatten()
                parts, rebuilt = Parts(*(part[rows] for part in stored)), None
            else:
                windows = pool.windows[:, pick]
                parts, _ = parts_of(model.backbone, windows.flatten(0, 1), pool.nearest[:, pick].flatten(0, 1))
                rebuilt = model.loss(windows[0])
            contrastive = contrast(head(parts).unflatten(0, (3, -1)), recipe, head.centre)
            loss = recipe.weight * contrastive + (0 if rebuilt is None else rebuilt)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([*head.parameters(), *free], MAX_GRADIENT)
            optimiser.step()
            schedule.step()
            clock[kind] += time.perf_counter() - started
            if step % max(1, total // CURVE_POINTS) == 0 or step == total - 1:
                figures = {
                    "contrastive": contrastive.item(),
                    "reconstruction": None if rebuilt is None else rebuilt.item(),
                }
                curve.append({"step": step, **figures})
                progress("post-training", step + 1, total, f"contrastive {figures['contrastive']:.3f}")
    head.eval()
    return {"curve": curve, "seconds": clock, "free_parameters": sum(parameter.numel() for parameter in free)}


@torch.no_grad()
def set_centre(model: EnhancedDetector, candidates: Candidates) -> None:
    """Take the mean direction of the normal windows to learn from, without jitter, as the centre of normality."""
    vectors = model.representation(fit_outputs(model, candidates))
    model.representation.centre.copy_(nn.functional.normalize(vectors.mean(0), dim=0))


def fit_outputs(model: EnhancedDetector, candidates: Candidates) -> Parts:
    """Inputs of the head for all windows to learn from."""
    device = device_of(model.backbone)
    windows = torch.from_numpy(sliding(candidates.values, model.window)[candidates.fit]).to(device)
    model.module.eval()
    return outputs(model, windows, model.nearest(windows, torch.from_numpy(candidates.fit).to(device)))
