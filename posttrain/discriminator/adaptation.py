"""Post-training on one scenario, with the scenario's Rule Bank: of the rule discriminator and of the backbone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ape.core.checkpoint import Checkpoint, fingerprint
from ape.core.progress import Progress
from ape.detectors import Detector
from ape.detectors.training import seeded
from ape.posttrain.backbone_inputs import BACKBONE_INPUTS, BackboneStatistics, backbone_inputs
from ape.posttrain.discriminator.branches import HELD_OUT, draw_branches
from ape.posttrain.discriminator.network import RuleDiscriminator
from ape.posttrain.discriminator.rules import BankDiscriminator, Question
from ape.posttrain.discriminator.training import Joint, PostTraining
from ape.posttrain.freezing import require_gradients, trainable
from ape.posttrain.negatives import Negatives
from ape.posttrain.normal_part import NormalPart
from ape.posttrain.recipe import DEFAULT, Recipe
from ape.rules import RuleBank
from ape.series.windows import sliding, spaced_starts, usable

MOST_TILES = 2000  # normal windows of the backbone's length in joint steps


@dataclass(frozen=True)
class Adapted:
    """Result of a post-training.

    Parameters
    ----------
    model : BankDiscriminator
        On the device of the backbone.
    backbone : Detector or None
        A copy, post-trained.
    statistics : BackboneStatistics or None
        Of the backbone as it was; they define its inputs of the model. None if it has no inputs.
    report : dict
        See `PostTraining.run`; also ``rows`` and ``free_parameters`` of the backbone.
    """

    model: BankDiscriminator
    backbone: Detector | None
    statistics: BackboneStatistics | None
    report: dict[str, Any]


def adapt(
    network: RuleDiscriminator,
    normal: NormalPart,
    bank: RuleBank,
    backbone: Detector | None,
    generator: torch.Generator,
    recipe: Recipe = DEFAULT,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    negatives: Negatives | None = None,
) -> Adapted:
    """Post-train copies of a network and a backbone with a bank.

    Parameters
    ----------
    network : RuleDiscriminator
        Pretrained.
    normal : NormalPart
        Too short a part gives a model without post-training.
    bank : RuleBank
    backbone : Detector, optional
        Without it, the model sees neither residual nor latent.
    generator : torch.Generator
        On the CPU.
    recipe : Recipe
    progress : Progress, optional
    checkpoint : Path, optional
        A file. If it exists, post-training resumes from it; on CPU, the resulting weights are the same.
    negatives : callable, optional
        Replaces the bank as the third branch. The model then has a single output, and the bank gives only the context
        and benign variants.

    Returns
    -------
    Adapted

    Raises
    ------
    EmptyBankError
        The bank has no rule that can be placed.
    NotFiniteError
        A loss or its gradient is NaN or infinite.
    InputError
        The backbone cannot be post-trained, or ``checkpoint`` is damaged or belongs to another post-training.
    """
    seed = int(torch.randint(1 << 40, (), generator=generator))
    device = network.bias.device if backbone is None else backbone.shift_and_scale[0].device
    statistics = None
    if backbone is not None:
        backbone = backbone.clone()
        backbone.module.eval()
        statistics = BackboneStatistics.fit(backbone, normal)
    question = Question.of(bank) if negatives is None else Question.any_anomaly(bank.context)
    with seeded(seed):
        model = BankDiscriminator(network, question, BACKBONE_INPUTS if statistics else 0).to(device).eval()
    start = {name: weight.clone() for name, weight in model.state_dict().items()}
    untrained = Adapted(model, backbone, statistics, {"curve": [], "kept": 0, "seconds": {}, "rows": 0})
    if recipe.steps + recipe.joint_steps == 0:
        return untrained
    further = partial(backbone_inputs, backbone, statistics) if backbone and statistics else no_inputs
    branches = draw_branches(model, further, normal, bank, generator, negatives)
    if branches is None:
        return untrained
    joint = None
    if backbone is not None and statistics is not None and recipe.joint_steps:
        joint = joint_part(backbone, statistics, normal, recipe, device)
    post_training = PostTraining(model, branches, recipe, seed, joint)
    file = None
    if checkpoint is not None:
        rows, weights = branches.rows, post_training.learning.weights().values()
        file = Checkpoint(checkpoint, fingerprint((recipe, seed), rows.hidden, rows.further, *weights))
    report = post_training.run(progress, file)
    model.pull(start, len(question.weight) / (len(question.weight) + recipe.anchor))
    free = sum(parameter.numel() for parameter in post_training.free)
    return Adapted(model, backbone, statistics, report | {"rows": len(branches.rows), "free_parameters": free})


def joint_part(
    backbone: Detector, statistics: BackboneStatistics, normal: NormalPart, recipe: Recipe, device: torch.device
) -> Joint | None:
    """Return what joint steps need; None if the recipe freezes the whole backbone."""
    if recipe.freeze == "projection-only":
        return None
    length = backbone.window
    starts = spaced_starts(usable(normal.clean, length), length, MOST_TILES)
    tiles = torch.from_numpy(np.ascontiguousarray(sliding(normal.values, length)[starts])).to(device)
    require_gradients(backbone, tiles[:2])
    end = starts[-1] + length
    later = torch.from_numpy(starts >= end - HELD_OUT * (end - starts[0]))
    later[-1], later[0] = True, False
    return Joint(backbone, statistics, trainable(backbone, recipe.freeze, tiles[:2]), tiles[~later], tiles[later])


def no_inputs(windows: Tensor, factor: int) -> Tensor:
    """Return no inputs, [B, C, 0, W], for windows [B, C, W * factor]."""
    count, channels, length = windows.shape
    return windows.new_zeros(count, channels, 0, length // factor)
