"""Recipes that serve as controls."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from ape.posttrain.discriminator import branches
from ape.posttrain.discriminator.adaptation import adapt
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.normal_part import NormalPart
from ape.posttrain.recipe import DEFAULT, Recipe
from ape.rules import broad_bank, build_context
from ape.series import from_array


@pytest.fixture
def learnt(monkeypatch):
    """Return how far a recipe moves the prototypes of one rule."""
    monkeypatch.setattr(branches, "STRETCHES", 20)
    monkeypatch.setattr(branches, "NORMALS", 10)
    wave = np.sin(2 * np.pi * np.arange(1200) / 25) + 0.05 * np.random.default_rng(0).standard_normal(1200)
    series = from_array(wave[:, None].astype(np.float32), ["a"], 1200)
    bank = broad_bank(build_context(series), ["level_shift"])
    normal = NormalPart(series.train, [(0, 1200)], [(0, 1200)])

    def distance(recipe):
        return (
            adapt(load_pretrained(), normal, bank, None, torch.Generator().manual_seed(0), recipe)
            .model.moved.norm()
            .item()
        )

    return distance


def test_the_default_is_frozen():
    assert Recipe() == DEFAULT
    with pytest.raises(FrozenInstanceError):
        DEFAULT.steps = 1


def test_without_weight_the_contrast_teaches_nothing(learnt):
    assert learnt(Recipe(steps=3, weight=0.0)) == 0


def test_an_anchor_of_one_rule_keeps_half_of_what_one_rule_learnt(learnt):
    free = Recipe(steps=3, anchor=0.0)
    assert learnt(replace(free, anchor=1.0)) == pytest.approx(0.5 * learnt(free), rel=1e-5)
    assert learnt(replace(free, anchor=3.0)) == pytest.approx(0.25 * learnt(free), rel=1e-5)
