"""All that changes while a detector is post-trained: checked, kept and told at looks between the steps."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from ape.detectors.checkpoint import Checkpoint, Learning
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.recipe import Recipe
from ape.series import InputError

MAX_GRADIENT = 5.0  # norm that gradients are clipped to
LOOKS = 20  # at about even distances


class NotFiniteError(InputError):
    """Post-training came upon a loss or a gradient that is NaN or infinite."""


class State:
    """Backbone and head with their optimiser, steps done, loss curve and seconds.

    Parameters
    ----------
    model : EnhancedDetector
        Trained in place.
    free : list of Parameter
        The backbone's that may move.
    recipe : Recipe
    """

    def __init__(self, model: EnhancedDetector, free: list[nn.Parameter], recipe: Recipe) -> None:
        head = list(model.representation.parameters())
        self.total = recipe.head_steps + recipe.joint_steps
        self.head_steps = recipe.head_steps if free else self.total
        self.parameters = [*head, *free]
        rates = [(head, recipe.head_rate), (free, recipe.backbone_rate)][: 2 if free else 1]
        optimiser = torch.optim.AdamW([{"params": parameters} for parameters, _ in rates], fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [rate for _, rate in rates], total_steps=self.total)
        self.learning = Learning({"backbone": model.module, "head": model.representation}, optimiser, schedule)
        self.good = self.learning.weights()
        self.done = 0
        self.finite = torch.zeros((), dtype=torch.int64, device=head[0].device)  # steps until one was not
        self.curve: list[dict[str, Any]] = []
        self.seconds = {"head": 0.0, "joint": 0.0}
        self.began = time.perf_counter()

    def forget_gradients(self) -> None:
        """Begin a step."""
        self.learning.optimiser.zero_grad(set_to_none=True)

    def update(self, contrastive: Tensor, reconstruction: Tensor) -> None:
        """Move by the gradients that were gathered under these losses."""
        norm = nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT)
        self.finite += (contrastive + reconstruction + norm).isfinite() & (self.finite == self.done)
        self.learning.optimiser.step()
        self.learning.schedule.step()
        self.done += 1

    def is_look(self) -> bool:
        """Whether it is time to look: after the first step, at the end of each kind, and in between."""
        return self.done in (1, self.head_steps, self.total) or self.done % max(1, self.total // LOOKS) == 0

    def look(self, contrastive: Tensor, reconstruction: Tensor) -> str:
        """Check that all steps were finite, keep the weights, and say how it goes.

        Raises
        ------
        NotFiniteError
            They were not; the weights are again those of the look before.
        """
        *losses, finite = torch.stack([contrastive, reconstruction, self.finite]).tolist()
        if finite < self.done:
            self.learning.set_weights(self.good)
            raise NotFiniteError(
                f"the post-training loss or its gradient is not finite at step {int(finite) + 1}",
                "post-training",
                "lower the rates of the recipe, or look at the detector's scale and at how it was trained",
            )
        kind = "head" if self.done <= self.head_steps else "joint"
        figures = {"contrastive": losses[0], "reconstruction": losses[1] if kind == "joint" else None}
        self.curve.append({"step": self.done - 1, **figures})
        now = time.perf_counter()
        self.seconds[kind] += now - self.began
        self.began = now
        self.good = self.learning.weights()
        return f"contrastive {losses[0]:.3f}"

    def save(self, checkpoint: Checkpoint) -> None:
        """Leave everything in ``checkpoint``."""
        tensors, plain = self.learning.stored()
        checkpoint.save(tensors, plain | {"done": self.done, "curve": self.curve, "seconds": self.seconds})

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Go back to what `save` left."""
        self.done, self.curve, self.seconds = plain["done"], plain["curve"], plain["seconds"]
        self.finite.fill_(self.done)
        self.learning.restore(tensors, plain)
        self.good = self.learning.weights()
        self.began = time.perf_counter()
