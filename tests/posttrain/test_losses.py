"""InfoNCE and the contrast against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ape.posttrain import RECIPES
from ape.posttrain.losses import contrast, info_nce

X, Y = [1.0, 0.0], [0.0, 1.0]


def nce(query, keys, positive, negatives, temperature=0.5):
    return info_nce(
        torch.tensor(query), torch.tensor(keys), torch.tensor(positive), torch.tensor(negatives), temperature
    ).item()


def test_one_positive_one_negative():
    # q.k+ = 1, q.k- = 0: -log(e^2 / (e^2 + e^0))
    assert nce([X], [X], [[True]], [Y]) == pytest.approx(math.log(1 + math.exp(-2)))


def test_all_negatives_count():
    # negatives at cosine 0 and -1: -log(e^2 / (e^2 + 1 + e^-2))
    expected = math.log((math.exp(2) + 1 + math.exp(-2)) / math.exp(2))
    assert nce([X], [X], [[True]], [Y, [-1.0, 0.0]]) == pytest.approx(expected)


def test_mean_over_positives_then_queries():
    first = (math.log(1 + math.exp(-2)) + math.log(2)) / 2  # positives at cosine 1 and 0, the negative at 0
    second = math.log(1 + math.exp(2 - 0))  # positive at 0, negative at 1
    assert nce([X, Y], [X, Y], [[True, True], [True, False]], [Y]) == pytest.approx((first + second) / 2)


def test_other_keys_are_not_pushed_away():
    alone = nce([X], [X], [[True]], [Y])
    assert nce([X], [X, [0.6, 0.8]], [[True, False]], [Y]) == pytest.approx(alone)


def test_own_positives_pair_a_window_with_its_augmentation(quick):
    # two orthogonal windows: the own positive is perfect, the other window is a bad positive
    axes = torch.eye(2)
    vectors = torch.stack([axes, axes, -axes])[None]
    own, normal = (
        contrast(vectors, replace(quick, positives=p, temperature=1.0), axes[:1]).item() for p in ("own", "normal")
    )
    repulsion = np.log(np.exp(-1) + 1)
    assert own == pytest.approx(np.log1p(np.exp(repulsion - 1)))
    assert normal > own


def test_without_negatives_the_loss_is_the_distance_to_the_centre():
    vectors = torch.eye(2).repeat(1, 3, 1, 1)
    assert contrast(vectors, RECIPES["one-class"], torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.5)


def test_two_branches_ignore_the_third():
    first = torch.eye(2).repeat(1, 3, 1, 1)
    other = first.clone()
    other[:, 2] = -other[:, 2]
    recipe = replace(RECIPES["two-branches"], temperature=1.0)
    losses = [contrast(vectors, recipe, torch.zeros(1, 2)).item() for vectors in (first, other)]
    assert losses[0] == losses[1] == pytest.approx(np.log1p(np.exp(-1)))  # own at 1, the other at 0
