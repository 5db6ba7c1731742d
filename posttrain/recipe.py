"""Recipes: all options of post-training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Input = Literal["latent", "residual", "nearest"]
Freeze = Literal["none", "decoder", "all-but-last", "projection-only"]


@dataclass(frozen=True)
class Recipe:
    """The options of one post-training.

    Parameters
    ----------
    negatives : {"pseudo", "batch", "none"}
        What raw windows are pushed away from: the third branch, the other normal windows of the batch, or nothing. In
        the last case, windows are only attracted to the centre. The last two are controls without pseudo-anomalies.
    positives : {"own", "normal"}
        Positives of a raw window: its own augmentation, or all normal windows of the batch.
    freeze : {"none", "decoder", "all-but-last", "projection-only"}
        Which parameters of the backbone are frozen. The projection heads always learn.
    inputs : tuple of {"latent", "residual", "nearest"}
        Inputs of the projection heads: the backbone's latent, its residual minus that of the nearest normal window, the
        differences to the nearest normal window and to the nearest in shape.
    gains : (float, float)
        Per head, the largest random factor on residuals during training. Above one, the head must use the shape of a
        residual, not only its size.
    head_steps, joint_steps : int
        Steps of the heads alone on stored backbone outputs, then of heads and backbone together under ``L_post``.
    batch, joint_batch : int
        Windows per branch in a step of either kind.
    weight : float
        lambda in ``L_post = L_rec + lambda * L_con``.
    temperature : float
        Of the contrast.
    head_rate, backbone_rate : float
        Learning rates.
    jitter : float
        Noise on the windows of all three branches, in training standard deviations.
    pool : int
        Number of triples (raw, augmented, pseudo-anomalous) that batches are drawn from.
    """

    name: str
    negatives: Literal["pseudo", "batch", "none"] = "pseudo"
    positives: Literal["own", "normal"] = "normal"
    freeze: Freeze = "none"
    inputs: tuple[Input, ...] = ("residual", "nearest")
    gains: tuple[float, float] = (1.0, 3.0)
    head_steps: int = 400
    joint_steps: int = 60
    batch: int = 64
    joint_batch: int = 32
    weight: float = 0.1
    temperature: float = 0.3
    head_rate: float = 2e-3
    backbone_rate: float = 2e-4
    jitter: float = 0.05
    pool: int = 4096


PAPER = Recipe(
    "paper",
    positives="own",
    inputs=("latent",),
    gains=(1.0, 1.0),
    head_steps=0,
    joint_steps=400,
    joint_batch=64,
    backbone_rate=5e-5,
    temperature=0.1,
)
DEFAULT = Recipe("staged")
HEADS_ALONE = Recipe("heads-alone", freeze="projection-only", joint_steps=0)
# controls: no training; the same number of steps of reconstruction alone; contrast without pseudo-anomalies
UNTRAINED = Recipe("untrained", head_steps=0, joint_steps=0)
RECONSTRUCTION = Recipe("reconstruction", head_steps=0, joint_steps=DEFAULT.joint_steps, weight=0.0)
TWO_BRANCHES = Recipe("two-branches", negatives="batch", positives="own")
ONE_CLASS = Recipe("one-class", negatives="none")
RECIPES = {
    recipe.name: recipe for recipe in (DEFAULT, PAPER, HEADS_ALONE, UNTRAINED, RECONSTRUCTION, TWO_BRANCHES, ONE_CLASS)
}
