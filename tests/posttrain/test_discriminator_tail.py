"""Calibrated scores: by hand, on exponential scores, and as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ape.posttrain.discriminator.tail import Tail, fuse

scores = arrays(np.float64, st.integers(20, 60), elements=st.floats(-1e3, 1e3))


def test_shares_by_hand():
    tail = Tail.fit(np.arange(10001) / 10000)
    assert tail(np.array([-1.0, 0.0, 0.5, 0.9, 0.95])) == pytest.approx([0, 0, 0.301, 1, 1.301], abs=0.01)


def test_exponential_scores_are_extrapolated_as_they_should():
    tail = Tail.fit(np.random.default_rng(0).exponential(2.0, 50_000))
    x = np.array([4.0, 10.0, 40.0])
    assert tail(x) == pytest.approx(x / 2 / np.log(10), rel=0.05)


def test_constant_normal_scores_give_finite_values():
    tail = Tail.fit(np.full(100, 3.0))
    low, same, high = tail(np.array([2.0, 3.0, 4.0]))
    assert low == same == 0
    assert np.isfinite(high) and high > 6


@given(scores, scores)
def test_higher_scores_are_never_less_surprising(normal, x):
    values = Tail.fit(normal)(np.sort(x))
    assert (np.diff(values) >= 0).all()
    assert (values >= 0).all()


def test_fusion_keeps_what_the_bank_knows_against_an_extreme_free_voice():
    rules, free = np.array([3.0, 0.0]), np.array([0.0, 15.0])
    assert fuse(rules, free)[0] > fuse(rules, free)[1]
    assert fuse(rules, free) == pytest.approx([3, np.log(16)])
