"""Spreading, calibration and the memory of normal windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ape.posttrain.memory import Memory
from ape.posttrain.score import Calibration, Measured, spread
from ape.series.windows import overlap_mean, starts

WINDOW = 32
UNIT = torch.zeros(1), torch.ones(1)


@given(st.integers(3, 12), st.integers(12, 60), st.integers(1, 5), st.integers(0, 9))
def test_spread_is_the_mean_over_covering_windows(window, length, stride, seed):
    at = starts(length, window, min(stride, window))
    generator = np.random.default_rng(seed)
    values = Measured(generator.random((len(at), 8)), generator.random((len(at), window)))
    expected = [overlap_mean(np.repeat(column[:, None], window, 1), at, length) for column in values.windows.T]
    expected.append(overlap_mean(values.points, at, length))
    np.testing.assert_allclose(spread(values, at, length), np.transpose(expected), rtol=1e-5)


def test_surprise_grows_and_has_no_ceiling():
    generator = np.random.default_rng(0)
    calibration = Calibration.fit(Measured(generator.random((500, 8)), generator.random((500, 1))), np.arange(500))
    surprise = calibration.surprise(np.repeat([[0.0], [0.5], [0.79], [0.95], [2.0], [4.0]], 9, axis=1))
    assert (np.diff(surprise, axis=0) > 0).all()
    surprise = surprise[:, 0]  # the head's measure is not squashed
    # uniform values: the chance to exceed one half is one half
    assert surprise[1] == pytest.approx(np.log(2), abs=0.1)


def test_nearest_window_leaves_out_the_overlapping_ones(wave):
    values = wave(400)[:, None].astype(np.float32)
    memory = Memory.build(values, np.arange(0, 400 - WINDOW), WINDOW, *UNIT)
    with_itself = memory.residual(memory.windows, None)
    assert float(with_itself.abs().max()) == 0
    apart = memory.residual(memory.windows, memory.starts)
    assert float(apart.abs().amax((1, 2)).min()) > 0
