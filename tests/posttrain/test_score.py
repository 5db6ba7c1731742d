"""Spreading, calibration, the memory of normal windows and the candidate filter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ape.series
from ape.posttrain.candidates import TooShortError, profile
from ape.posttrain.memory import Memory
from ape.posttrain.score import Calibration, Measured, spread
from ape.series.windows import overlap_mean, starts

WINDOW, TRAIN_END = 32, 1200
UNIT = torch.zeros(1), torch.ones(1)


@given(st.integers(3, 12), st.integers(12, 60), st.integers(1, 5), st.integers(0, 9))
def test_spread_is_the_mean_over_covering_windows(window, length, stride, seed):
    at = starts(length, window, min(stride, window))
    generator = np.random.default_rng(seed)
    values = Measured(generator.random((len(at), 5)), generator.random((len(at), window)))
    expected = [overlap_mean(np.repeat(column[:, None], window, 1), at, length) for column in values.windows.T]
    expected.append(overlap_mean(values.points, at, length))
    np.testing.assert_allclose(spread(values, at, length), np.transpose(expected), rtol=1e-5)


def test_surprise_grows_and_has_no_ceiling():
    generator = np.random.default_rng(0)
    calibration = Calibration.fit(Measured(generator.random((500, 5)), generator.random((500, 1))), np.arange(500))
    surprise = calibration.surprise(np.repeat([[0.0], [0.5], [0.79], [0.95], [2.0], [4.0]], 6, axis=1))
    assert (np.diff(surprise, axis=0) > 0).all()
    surprise = surprise[:, 0]  # the head's measure is not squashed
    # uniform values: the chance to exceed one half is one half
    assert surprise[1] == pytest.approx(np.log(2), abs=0.1)


def test_nearest_window_leaves_out_the_overlapping_ones(wave):
    values = wave(400)[:, None].astype(np.float32)
    memory = Memory.build(values, np.arange(0, 400 - WINDOW), WINDOW, *UNIT)
    with_itself = memory.residual(memory.windows, None)
    assert float(with_itself.abs().max()) == 0
    assert float(memory.self_distance().min()) > 0


def test_filter_leaves_out_an_odd_stretch_of_training_data(wave):
    values = wave()
    values[500:510] += 4
    kept = profile(ape.series.from_array(values[:, None], train_end=TRAIN_END), WINDOW, *UNIT)
    assert len(kept.suspicious) > 0
    assert (abs(kept.suspicious - 490) < 2 * WINDOW).all()
    assert not np.isin(kept.suspicious, kept.fit).any()


def test_filter_is_stricter_without_train_end(wave):
    values = wave()
    values[300:900] += 0.05 * np.random.default_rng(1).standard_normal(600) * np.linspace(0, 4, 600)
    guarded = profile(ape.series.from_array(values[:, None]), WINDOW, *UNIT)
    trusted = profile(ape.series.from_array(values[:, None], train_end=len(values)), WINDOW, *UNIT)
    assert guarded.cut < trusted.cut
    assert len(guarded.suspicious) > len(trusted.suspicious)


def test_held_out_windows_are_apart_from_those_to_learn_from(series):
    kept = profile(series, WINDOW, *UNIT)
    assert kept.fit.max() + 2 * WINDOW <= kept.held_out[0]
    assert kept.held_out_starts().min() >= kept.held_out[0]
    assert kept.held_out[1] == TRAIN_END


def test_too_short_a_training_part_is_one_clear_line(wave):
    with pytest.raises(TooShortError, match="too few to post-train"):
        profile(ape.series.from_array(wave()[:, None], train_end=200), 64, *UNIT)
