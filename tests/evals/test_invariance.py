"""The pipeline in other units and at other levels."""

from __future__ import annotations

import numpy as np
import pytest

from ape.evals.invariance import compare, difference
from ape.series import from_array


def test_the_difference_is_relative_to_the_larger_of_score_and_median():
    plain = np.array([0.0, 2.0, 4.0, np.nan])
    assert difference(plain, 2 * plain).largest == 1.0
    assert difference(plain, plain + np.eye(4)[0]).largest == 0.5
    assert difference(plain, -plain).rank_correlation == pytest.approx(-1)
    assert difference(plain, np.nan_to_num(plain)).largest == np.inf


@pytest.mark.extended
def test_a_level_changes_neither_rules_nor_scores():
    steps = np.arange(1600)
    wave = np.sin(2 * np.pi * steps / 40) + 0.1 * np.random.default_rng(0).normal(size=1600)
    series = from_array(np.round(wave * 1024) / 1024, train_end=1100)  # no digit is lost at a level of 2e7
    results = {name: (equal, scores) for name, equal, scores in compare(series, {"level": (1.0, 2e7)})}
    rules_are_equal, scores = results["level"]
    assert rules_are_equal and all(each.largest < 0.1 and each.rank_correlation > 0.999 for each in scores.values())
    assert results["another seed"][1]["before"].largest > 0.1
