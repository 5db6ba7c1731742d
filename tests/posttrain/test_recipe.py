"""Recipes that serve as controls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ape.posttrain import RECIPES, enhance, surrogates


def test_untrained_recipe_changes_no_weights(detector, bank, series):
    recipe = replace(RECIPES["untrained"], pool=64)
    result = enhance(detector, bank, series, recipe=recipe)
    assert result.candidate is not None
    for name, tensor in detector.module.state_dict().items():
        assert torch.equal(tensor, result.candidate.module.state_dict()[name])
    again = enhance(detector, bank, series, recipe=recipe, negatives=surrogates).candidate
    assert again is not None
    np.testing.assert_array_equal(again.score(series), result.candidate.score(series))


def test_reconstruction_alone_changes_the_backbone(detector, bank, series):
    recipe = replace(RECIPES["reconstruction"], joint_steps=10, pool=128)
    candidate = enhance(detector, bank, series, recipe=recipe).candidate
    assert candidate is not None
    weights = [detector.module.state_dict(), candidate.module.state_dict()]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
