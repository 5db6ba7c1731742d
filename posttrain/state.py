"""The state of a post-training, which is validated, checkpointed and reported periodically."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from ape.core.checkpoint import Checkpoint, TrainingState
from ape.core.errors import InputError
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.recipe import Recipe

MAX_GRADIENT = 5.0  # gradients are clipped to this norm
CHECKS = 20  # per post-training, evenly spaced


class NotFiniteError(InputError):
    """A loss or a gradient of post-training is NaN or infinite."""

    @classmethod
    def at(cls, step: int) -> NotFiniteError:
        """Create the error for a loss or gradient that is not finite at a step, counted from 1."""
        return cls(
            f"the post-training loss or its gradient is not finite at step {step}",
            "post-training",
            "lower the learning rates of the recipe, or check the detector's scale and training",
        )


class PostTrainingState:
    """Backbone and head with their optimiser, the steps done, the loss curve and the seconds.

    Parameters
    ----------
    model : EnhancedDetector
        Trained in place.
    free : list of Parameter
        Parameters of the backbone that may change.
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
        # after the first step, at the end of each kind of step, and in between
        self.check_steps = {1, self.head_steps, self.total, *range(0, self.total, max(1, self.total // CHECKS))}
        self.finite = torch.zeros(
            (), dtype=torch.int64, device=head[0].device
        )  # steps before the first that is not finite
        self.curve: list[dict[str, Any]] = []
        self.seconds = {"head": 0.0, "joint": 0.0}
        self.began = time.perf_counter()

    def forget_gradients(self) -> None:
        """Clear the gradients before a step."""
        self.learning.optimiser.zero_grad(set_to_none=True)

    def update(self, contrastive: Tensor, reconstruction: Tensor) -> None:
        """Make an optimiser step with the gradients of these losses."""
        norm = nn.utils.clip_grad_norm_(self.parameters, MAX_GRADIENT)
        self.finite += (contrastive + reconstruction + norm).isfinite() & (self.finite == self.done)
        self.learning.optimiser.step()
        self.learning.schedule.step()
        self.done += 1

    def is_check(self) -> bool:
        """Return whether to call `check` after this step."""
        return self.done in self.check_steps

    def check(self, contrastive: Tensor, reconstruction: Tensor) -> str:
        """Validate all steps since the last check, store the weights, and return a note for `Progress`.

        Raises
        ------
        NotFiniteError
            A step was not finite. The weights of the last check are restored.
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
        """Add the losses of the last step to the loss curve."""
        figures = {"contrastive": contrastive, "reconstruction": reconstruction if self.kind == "joint" else None}
        self.curve.append({"step": self.done - 1, **figures})

    @property
    def kind(self) -> str:
        """Kind of the last step."""
        return "head" if self.done <= self.head_steps else "joint"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write everything into ``checkpoint``."""
        tensors, plain = self.learning.snapshot()
        checkpoint.save(tensors, plain | {"done": self.done, "curve": self.curve, "seconds": self.seconds})

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Restore the state that `save` wrote."""
        self.done, self.curve, self.seconds = plain["done"], plain["curve"], plain["seconds"]
        self.finite.fill_(self.done)
        self.learning.restore(tensors, plain)
        self.good = self.learning.weights()
        self.began = time.perf_counter()
