"""InfoNCE against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ape.posttrain.acceptance import average_precisions
from ape.posttrain.losses import info_nce

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


def test_average_precision_by_hand():
    labels = np.array([[True, False, True], [False, True, False]])
    scores = np.array([[0.9, 0.99, 0.5], [0.1, 0.2, 0.3]])
    # Two normal points lie above the second hit of the first row, one of them above the first; a tie counts as above.
    found = average_precisions(labels, scores, np.array([0.95, 0.7, 0.2]))
    np.testing.assert_allclose(found, [(1 / 2 + 2 / 4) / 2, 1 / 4])


def test_average_precision_agrees_with_sklearn():
    from sklearn.metrics import average_precision_score

    generator = np.random.default_rng(0)
    labels = np.ones((20, 10), bool)
    scores, normal = (generator.integers(0, 12, shape).astype(float) for shape in ((20, 10), 40))
    truth = np.repeat([1, 0], [10, 40])
    expected = [average_precision_score(truth, np.concatenate([row, normal])) for row in scores]
    np.testing.assert_allclose(average_precisions(labels, scores, normal), expected)
