"""Post-train the discriminator on stored rows, then together with the backbone.

Every point is contrasted with the prototypes of normal and of all rules: points of the normal branches and outside a
mask belong to normal, points inside a mask to their rule.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, one_hot

from ape.core.checkpoint import Checkpoint, TrainingState, add_prefix, select_prefix
from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.core.threads import one_thread, threads_for
from ape.detectors import Detector
from ape.detectors.schedule import warm_cosine
from ape.detectors.training import seeded
from ape.posttrain.backbone_inputs import BackboneStatistics, backbone_inputs
from ape.posttrain.discriminator.branches import Branches, Rows
from ape.posttrain.discriminator.contrast import dense_contrast
from ape.posttrain.discriminator.rules import BankDiscriminator
from ape.posttrain.freezing import training
from ape.posttrain.recipe import Recipe

BATCH, JOINT_BATCH = 64, 16  # rows in a step of either kind; in the latter, as many tiles for the reconstruction
SHARES = {"anomalies": 0.55, "bystanders": 0.1, "normal": 0.35}  # of a batch
HARD = 0.1  # share of the normal rows that are replayed, because the network is most wrong about them
CHECKS = 5  # of either kind of steps
WARM_UP = 20  # steps
MAX_GRADIENT = 1.0, 5.0  # largest norms: of the discriminator relative to the weight of its loss, and of the backbone
NOT_NAMED = -1e4  # log-odds at a channel that a rule does not name: nothing is learnt there; finite for gradients
AT_ONCE = 256  # rows that are judged at once


class NotFiniteError(InputError):
    """A loss or a gradient of post-training is NaN or infinite."""

    @classmethod
    def at(cls, step: int) -> NotFiniteError:
        """Create the error for a step, counted from 1."""
        return cls(
            f"the post-training loss or its gradient is not finite at step {step}",
            "post-training",
            "lower the learning rates of the recipe, or check the detector's scale and training",
        )


@dataclass(frozen=True)
class Joint:
    """The backbone in joint steps.

    Parameters
    ----------
    backbone : Detector
        Is changed.
    statistics : BackboneStatistics
    free : list of Parameter
        Those of the backbone that may change.
    tiles, held_out : Tensor [N, C, L]
        Normal windows of the backbone's length, to learn from and to judge by.
    """

    backbone: Detector
    statistics: BackboneStatistics
    free: list[nn.Parameter]
    tiles: Tensor
    held_out: Tensor

    def further(self, branches: Branches, rows: Rows) -> Rows:
        """Return rows, sorted by factor, with what the backbone makes of them now; differentiable."""
        parts = []
        for number, factor in enumerate(branches.factors):
            some = rows.take(rows.factor == number)
            if len(some) == 0:
                continue
            window, row = some.window.unique(return_inverse=True)
            made = backbone_inputs(self.backbone, self.statistics, branches.windows[number][window], factor)
            flat = made.flatten(0, 1).flatten(1)
            # `embedding` and not indexing: with several threads, the gradient of indexing depends on their order.
            chosen = embedding(row * made.shape[1] + some.channel, flat)
            parts.append(replace(some, further=chosen.unflatten(1, made.shape[2:])))
        return Rows.joined(parts)

    @torch.no_grad()
    def error(self) -> float:
        """Return the mean squared error of the held-out tiles, standardised.

        Unlike the backbone's loss, it is free of chance, and its size means the same for all backbones.
        """
        return float(self.backbone.point_scores(self.held_out).mean())


class PostTraining:
    """A post-training in progress.

    Parameters
    ----------
    model : BankDiscriminator
        Is changed.
    branches : Branches
    recipe : Recipe
        With at least one step.
    seed : int
    joint : Joint, optional
        Without it, there are no joint steps.
    """

    def __init__(
        self, model: BankDiscriminator, branches: Branches, recipe: Recipe, seed: int, joint: Joint | None
    ) -> None:
        self.model, self.branches, self.recipe, self.seed, self.joint = model, branches, recipe, seed, joint
        rows = branches.rows
        self.seen, self.judged = rows.take(~rows.held_out), rows.take(rows.held_out)
        self.balance = balanced(self.seen)
        self.steps, self.total = recipe.steps, recipe.steps + (recipe.joint_steps if joint else 0)
        self.checks = {round(self.steps * i / CHECKS) for i in range(CHECKS + 1)}
        self.checks |= {self.steps + round((self.total - self.steps) * i / CHECKS) for i in range(CHECKS + 1)}
        self.learnt = model.learnt()
        self.free = joint.free if joint else []
        groups = [{"params": group} for group in (self.learnt, self.free) if group]
        optimiser = torch.optim.AdamW(groups, lr=1.0, weight_decay=0.0)  # the schedule gives the rates themselves
        rates: list[Any] = [self._rate, self._backbone_rate][: len(groups)]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rates)
        modules = {"model": model} | ({"backbone": joint.backbone.module} if joint else {})
        self.learning = TrainingState(modules, optimiser, schedule)
        self.done, self.kept, self.best = 0, 0, math.inf
        self.kept_weights = self.learning.weights()
        # Number of steps before the first that is not finite; read from the device only at checks.
        self.finite = torch.zeros((), dtype=torch.int64, device=model.moved.device)
        self.chances = self.balance
        self.curve: list[dict[str, Any]] = []
        self.seconds = {"stored": 0.0, "joint": 0.0}
        self.began = time.perf_counter()

    def run(self, progress: Progress | None = None, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
        """Run all steps, and leave model and backbone with the weights of the best check.

        It is the one with the least error on held-out tiles plus lambda times the loss on held-out rows. At each check
        the losses are read from the device and validated, the state is written to ``checkpoint`` and ``progress`` is
        called.

        Returns
        -------
        dict
            ``curve``: at each check, the step, the loss on held-out rows, the share of their normal points at which an
            anomaly is the more likely, and with a backbone its error on held-out tiles; ``kept``: the step that was
            kept; ``seconds`` of each kind of steps.

        Raises
        ------
        NotFiniteError
            A loss or its gradient is NaN or infinite.
        InputError
            ``checkpoint`` is damaged or belongs to another post-training.
        """
        train = training(self.joint.backbone.module, self.free) if self.joint else nullcontext()
        threads = threads_for(*self.joint.tiles.shape[1:]) if self.joint else one_thread()
        with seeded(self.seed), threads, train:
            stored = None if checkpoint is None else checkpoint.load()
            if checkpoint is None or stored is None:
                self.check()
            else:
                with checkpoint.refuse_mismatch():
                    self.restore(*stored)
            while self.done < self.total:
                self.step()
                if self.done in self.checks:
                    self.check()
                    if checkpoint is not None:
                        checkpoint.save(*self.snapshot())
                    if progress is not None:
                        progress("post-training", self.done, self.total, f"held-out loss {self.curve[-1]['loss']:.3f}")
        self.learning.set_weights(self.kept_weights)
        return {"curve": self.curve, "kept": self.kept, "seconds": self.seconds}

    def step(self) -> None:
        """Make one step."""
        together = self.joint is not None and self.done >= self.steps
        # A generator for each step, so that resuming needs no state.
        generator = torch.Generator().manual_seed(self.seed + self.done)
        pick = torch.multinomial(self.chances, JOINT_BATCH if together else BATCH, True, generator=generator)
        batch = self.seen.take(pick.to(self.seen.rule.device))
        reconstruction = torch.zeros((), device=self.finite.device)
        if self.joint is not None and together:
            batch = self.joint.further(self.branches, batch)
            tiles = torch.randint(len(self.joint.tiles), (JOINT_BATCH,), generator=generator)
            reconstruction = self.joint.backbone.loss(self.joint.tiles[tiles.to(self.joint.tiles.device)])
        loss = reconstruction + self.recipe.weight * contrast(self.log_odds(batch), batch).mean()
        self.learning.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.learnt, MAX_GRADIENT[0] * self.recipe.weight)
        norm = norm + nn.utils.clip_grad_norm_(self.free, MAX_GRADIENT[1])
        self.finite += (loss.detach() + norm).isfinite() & (self.finite == self.done)
        self.learning.optimiser.step()
        self.learning.schedule.step()
        self.done += 1

    def check(self) -> None:
        """Validate all steps since the last check, judge the weights, and choose which rows to replay.

        Raises
        ------
        NotFiniteError
            A step was not finite.
        """
        if int(self.finite) < self.done:
            raise NotFiniteError.at(int(self.finite) + 1)
        judged, loss = self.judged, 0.0
        figures: dict[str, Any] = {"step": self.done}
        with torch.no_grad():
            if self.joint is not None:
                learns = self.done > self.steps  # before, the backbone says what was stored
                loss = self.joint.error() if learns or not self.curve else self.curve[-1]["reconstruction"]
                judged = self.joint.further(self.branches, judged) if learns else judged
                figures["reconstruction"] = loss
            odds = torch.cat([self.log_odds(judged.take(i)) for i in torch.arange(len(judged)).split(AT_ONCE)])
        above = odds[judged.rule < 0].logsumexp(1) > 0
        contrastive = float((contrast(odds, judged) * balanced(judged).to(odds.device)).sum())
        figures |= {"loss": contrastive, "normal_above_zero": float(above.float().mean())}
        loss += self.recipe.weight * contrastive
        self.curve.append(figures)
        if loss < self.best:
            self.best, self.kept, self.kept_weights = loss, self.done, self.learning.weights()
        if self.done < self.steps:
            self.chances = self.replayed()
        now = time.perf_counter()
        self.seconds["stored" if self.done <= self.steps else "joint"] += now - self.began
        self.began = now

    def log_odds(self, rows: Rows) -> Tensor:
        """Return the log-odds of all rules at rows, [N, R, W]."""
        features = self.model.features(rows.hidden, rows.further)
        prototypes, bias = (
            torch.stack(x) for x in zip(*map(self.model.prototypes, self.branches.factors), strict=True)
        )
        factor = one_hot(rows.factor, len(prototypes)).to(features.dtype)
        prototypes, bias = (torch.einsum("nf,fr...->nr...", factor, x) for x in (prototypes, bias))
        odds = prototypes @ features + bias[..., None]
        return odds.masked_fill(~self.model.channels.T[rows.channel][..., None], NOT_NAMED)

    @torch.no_grad()
    def replayed(self) -> Tensor:
        """Return chances in which half of the normal share goes to the rows with the most evidence of an anomaly."""
        normal = torch.nonzero(self.seen.rule < 0)[:, 0]
        evidence = torch.cat([self.log_odds(self.seen.take(i)).logsumexp(1).amax(1) for i in normal.split(AT_ONCE)])
        hard = normal[evidence.topk(max(1, round(HARD * len(normal)))).indices].cpu()
        chances = self.balance.clone()
        total = chances[normal.cpu()].sum()
        chances[normal.cpu()] *= 0.5
        chances[hard] += 0.5 * total / len(hard)
        return chances

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state after a check, for a checkpoint."""
        tensors, plain = self.learning.snapshot()
        tensors |= add_prefix("kept", self.kept_weights) | {"chances": self.chances}
        names = ("done", "kept", "best", "curve", "seconds")
        return tensors, plain | {name: getattr(self, name) for name in names}

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Restore what `snapshot` returned."""
        for name in ("done", "kept", "best", "curve", "seconds"):
            setattr(self, name, plain[name])
        self.kept_weights, self.chances = select_prefix("kept", tensors), tensors["chances"]
        self.finite.fill_(self.done)
        self.learning.restore(tensors, plain)

    def _rate(self, step: int) -> float:
        """Return the learning rate of the discriminator."""
        if step < self.steps:
            return self.recipe.rate * warm_cosine(step, self.steps, WARM_UP)
        return self.recipe.joint_rate * warm_cosine(step - self.steps, self.total - self.steps, WARM_UP)

    def _backbone_rate(self, step: int) -> float:
        return self.recipe.backbone_rate * warm_cosine(step - self.steps, self.total - self.steps, WARM_UP)


def balanced(rows: Rows) -> Tensor:
    """Return the chance of each row to be drawn, [N] on the CPU: rules count equally, and so do branches."""
    changed = rows.share.amax(1) > 0
    group = torch.where(rows.rule < 0, 0, torch.where(changed, rows.rule + 2, 1)).cpu()  # normal, bystanders, rules
    counts = group.bincount(minlength=2)
    share = torch.full((len(counts),), SHARES["anomalies"] / max(1, int((counts[2:] > 0).sum())))
    share[:2] = torch.tensor([SHARES["normal"], SHARES["bystanders"]])
    chances = (share / counts.clamp(min=1))[group]
    return chances / chances.sum()


def contrast(odds: Tensor, rows: Rows) -> Tensor:
    """Return the contrastive loss of each row, [N]."""
    return dense_contrast(odds, rows.rule, rows.share).mean(1)
