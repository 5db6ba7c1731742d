"""Spreading over points and calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.posttrain.score import Calibration, Measured, Overlap, spread
from ape.series.windows import overlap_mean, starts


@given(st.integers(3, 12), st.integers(12, 60), st.integers(1, 5), st.integers(0, 9))
def test_spread_is_the_mean_over_covering_windows(window, length, stride, seed):
    at = starts([(0, length)], window, min(stride, window))
    generator = np.random.default_rng(seed)
    values = Measured(generator.random((len(at), 8)), generator.random((len(at), window)))
    expected = [overlap_mean(np.repeat(column[:, None], window, 1), at, length) for column in values.windows.T]
    expected.append(overlap_mean(values.points, at, length))
    np.testing.assert_allclose(spread(values, at, length), np.transpose(expected), rtol=1e-5)
    overlap, half = Overlap(), len(at) // 2
    batches = [slice(None, half), slice(half, None)][half == 0 :]
    pieces = [overlap.add(at[i], Measured(values.windows[i], values.points[i])) for i in batches]
    whole = np.concatenate([*pieces, overlap.emit(length - overlap.begin)])
    np.testing.assert_allclose(whole, np.transpose(expected), rtol=1e-5)


def test_uncovered_points_are_nan():
    windows = Measured(np.ones((2, 8)), np.ones((2, 3)))
    curves = spread(windows, np.array([1, 6]), 12)
    assert np.isfinite(curves).all(axis=1).tolist() == [False, *[True] * 3, *[False] * 2, *[True] * 3, *[False] * 3]


def test_surprise_increases_without_limit():
    generator = np.random.default_rng(0)
    calibration = Calibration.fit(Measured(generator.random((500, 8)), generator.random((500, 1))), np.arange(500))
    surprise = calibration.surprise(np.repeat([[0.0], [0.5], [0.79], [0.95], [2.0], [4.0]], 9, axis=1))
    assert (np.diff(surprise, axis=0) > 0).all()
    surprise = surprise[:, 0]  # the measure of a head is not bounded
    # a uniform value exceeds one half with probability one half
    assert surprise[1] == pytest.approx(np.log(2), abs=0.1)
