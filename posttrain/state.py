"""All that changes while a detector is post-trained: checked, kept and told at looks between the steps."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from ape.core.checkpoint import Checkpoint, TrainingState
from ape.core.errors import InputError
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.recipe import Recipe

MAX_GRADIENT = 5.0  # norm that gradients are clipped to
LOOKS = 20  # at about even distances


class NotFiniteError(InputError):
    """Post-training came upon a loss or a gradient that is NaN or infinite."""

    @classmethod
    def at(cls, step: int) -> NotFiniteError:
        """The refusal of a training whose loss or gradient at a step, counted from 1, is no number."""
        return cls(
            f"the post-training loss or its gradient is not finite at step {step}",
            "post-training",
            "lower the rates of the recipe, or look at the detector's scale and at how it was trained",
        )


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
        self.learning = TrainingState({"backbone": model.module, "head": model.representation}, optimiser, schedule)
        self.good = self.learning.weights()
        self.done = 0
        # After the first step, at the end of each kind, and in between.
        self.looks = {1, self.head_steps, self.total, *range(0, self.total, max(1, self.total // LOOKS))}
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
        """Whether it is time to look."""
        return self.done in self.looks

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
            raise NotFiniteError.at(int(finite) + 1)
        self.note(*losses)
        now = time.perf_counter()
        self.seconds[self.kind] += now - self.began
        self.began = now
        self.good = self.learning.weights()
        return f"contrastive {losses[0]:.3f}"

    def note(self, contrastive: float, reconstruction: float) -> None:
        """Add the losses of the last step to the curve."""
        figures = {"contrastive": contrastive, "reconstruction": reconstruction if self.kind == "joint" else None}
        self.curve.append({"step": self.done - 1, **figures})

    @property
    def kind(self) -> str:
        """Kind of the last step."""
        return "head" if self.done <= self.head_steps else "joint"

    def save(self, checkpoint: Checkpoint) -> None:
        """Leave everything in ``checkpoint``."""
        tensors, plain = self.learning.snapshot()
        checkpoint.save(tensors, plain | {"done": self.done, "curve": self.curve, "seconds": self.seconds})

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Go back to what `save` left."""
        self.done, self.curve, self.seconds = plain["done"], plain["curve"], plain["seconds"]
        self.finite.fill_(self.done)
        self.learning.restore(tensors, plain)
        self.good = self.learning.weights()
        self.began = time.perf_counter()
