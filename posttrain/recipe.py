"""The recipe: all options of post-training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Freeze = Literal["none", "decoder", "all-but-last", "projection-only"]


@dataclass(frozen=True)
class Recipe:
    """The options of one post-training.

    Parameters
    ----------
    steps : int
        Steps of prototypes, last layer and adapter alone, the backbone as it is.
    rate : float
        Their learning rate.
    joint_steps : int
        Steps after these, in which the backbone learns as well, under ``L_post = L_rec + lambda * L_con``.
    joint_rate, backbone_rate : float
        Learning rates in joint steps, of all but the backbone and of the backbone.
    weight : float
        lambda.
    freeze : {"none", "decoder", "all-but-last", "projection-only"}
        Which parameters of the backbone are frozen. With the last, there are no joint steps.
    anchor : float
        Pull towards the network without post-training, in rules: a bank of R rules keeps R / (R + anchor) of what it
        learned, because few rules overfit their own pseudo-anomalies.
    """

    steps: int = 75
    rate: float = 4e-3
    joint_steps: int = 20
    joint_rate: float = 1e-3
    backbone_rate: float = 2e-4
    weight: float = 0.1
    freeze: Freeze = "none"
    anchor: float = 2.0


DEFAULT = Recipe()
