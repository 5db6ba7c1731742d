"""Scores without a trained network on series with gaps."""

from __future__ import annotations

import numpy as np
import pytest
from support import with_gaps

from ape.evals.simple import SIMPLE
from ape.series import from_array

GAPS, WINDOW = (300, 310, 600), 25


def values():
    level = 50.0 * np.searchsorted(GAPS, np.arange(900), side="right")
    return level + np.sin(2 * np.pi * np.arange(900) / 25) + 0.05 * np.random.default_rng(0).normal(size=900)


@pytest.mark.parametrize("name", sorted(set(SIMPLE) - {"random"}))
def test_a_gap_is_no_anomaly(name):
    scores = SIMPLE[name](with_gaps(from_array(values(), train_end=700), *GAPS), WINDOW, 0)
    unscored = np.isnan(scores)
    assert not unscored.any() or np.flatnonzero(unscored).tolist() == list(range(*GAPS[:2]))
    near = np.abs(np.arange(900)[:, None] - [300, 600]).min(axis=1) < 40
    assert np.nanmax(scores[near]) <= 1.5 * np.nanquantile(scores[~near], 0.995)


def test_the_same_jump_without_a_gap_is_an_anomaly():
    scores = SIMPLE["|difference|"](from_array(values(), train_end=700), WINDOW, 0)
    assert set(np.argsort(scores)[-3:].tolist()) == {300, 310, 600}


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize("factor", [2.0**-80, 2.0**80])
def test_the_unit_of_the_data_does_not_matter(name, factor):
    two = np.stack([values(), np.where(np.arange(900) < 700, 3.0, values())], axis=1)  # one stands still in training
    scores = [SIMPLE[name](from_array(each, train_end=700), WINDOW, 0) for each in (two, factor * two)]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)
