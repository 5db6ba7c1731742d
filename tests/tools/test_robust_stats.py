"""Robust statistics of a channel."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.tools.robust_stats import describe, longest_run

from .conftest import NOISE, sine


def test_statistics_by_hand():
    result = describe(np.array([0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 4.0, 10.0]))
    assert (result.minimum, result.maximum, result.median, result.points) == (0.0, 10.0, 1.5, 8)
    assert result.robust_scale == pytest.approx(1.4826 * 1.5)  # deviations 1.5 1.5 1.5 .5 .5 .5 2.5 8.5
    assert result.repeated_share == pytest.approx(3 / 7)
    assert (result.longest_flat_run, result.distinct_values) == (3, 5)
    assert result.zero_share == result.at_minimum_share == 3 / 8
    assert result.at_maximum_share == 1 / 8


def test_normal_smooth_discrete_and_saturated_series_differ():
    normal, smooth = describe(NOISE), describe(sine(200))
    assert normal.tail_ratio == pytest.approx(4.58, rel=0.12)
    assert normal.residual_sd_share > 0.8
    assert smooth.residual_sd_share < 0.05
    assert describe(NOISE**3).tail_ratio > 2 * normal.tail_ratio
    assert describe(np.round(sine(400), 1)).distinct_values == 21
    assert describe(np.clip(sine(50), -2, 0.5)).at_maximum_share == pytest.approx(1 / 3, abs=0.03)
    spiky = 0.1 * NOISE
    spiky[1000] += 10
    assert describe(spiky).largest_jump_ratio > 20


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_longest_run_matches_a_plain_count(values):
    best = here = 1
    for before, after in pairwise(values):
        here = here + 1 if before == after else 1
        best = max(best, here)
    assert longest_run(np.array(values)) == best
