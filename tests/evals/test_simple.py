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


def test_the_best_length_of_matrix_profiles_is_that_at_which_one_peak_stands_out():
    rng = np.random.default_rng(0)
    series = np.sin(2 * np.pi * np.arange(2000) / 25) + 0.05 * rng.normal(size=2000)
    series[1500:1700] = np.sin(2 * np.pi * np.arange(200) / 50)  # cycles twice as long
    scores = SIMPLE["matrix profile, best length"](from_array(series, train_end=1000), 16, 0)
    assert 1400 < scores.argmax() < 1800
    again = SIMPLE["matrix profile, best length"](from_array(1000 * series + 7, train_end=1000), 16, 0)
    np.testing.assert_allclose(again, scores, rtol=1e-4, atol=1e-6)
