"""Spreading, calibration and the memory of normal windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ape.posttrain.parts import parts_of, pool_residual
from ape.posttrain.reference_windows import REST, ReferenceWindows
from ape.posttrain.score import Calibration, Measured, Overlap, spread
from ape.series.windows import overlap_mean, sliding, starts

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
    overlap, half = Overlap(), len(at) // 2
    batches = [slice(None, half), slice(half, None)][half == 0 :]
    pieces = [overlap.add(at[i], Measured(values.windows[i], values.points[i])) for i in batches]
    whole = np.concatenate([*pieces, overlap.emit(length - overlap.begin)])
    np.testing.assert_allclose(whole, np.transpose(expected), rtol=1e-5)


def test_points_that_no_window_covers_have_no_value():
    windows = Measured(np.ones((2, 8)), np.ones((2, 3)))
    curves = spread(windows, np.array([1, 6]), 12)
    assert np.isfinite(curves).all(axis=1).tolist() == [False, *[True] * 3, *[False] * 2, *[True] * 3, *[False] * 3]


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
    reference_windows = ReferenceWindows.build(values, np.arange(0, 400 - WINDOW), WINDOW, *UNIT)
    assert reference_windows.nearest(reference_windows.windows, None).tolist() == list(
        range(len(reference_windows.starts))
    )
    apart = reference_windows.nearest(reference_windows.windows, reference_windows.starts) - reference_windows.starts
    assert int(apart.abs().min()) >= WINDOW


def test_references_of_the_scored_series_are_open_to_windows_well_behind_them_alone(wave):
    length = 200 + 2 * REST * WINDOW
    values = wave(length)[:, None].astype(np.float32)
    trained = ReferenceWindows.build(values, np.arange(0, 200 - WINDOW), WINDOW, *UNIT)
    known = trained.followed_by(values, 200, 0, *UNIT)
    assert known.starts.tolist() == [*range(200 - WINDOW), *range(200, length - WINDOW + 1)]
    queries = torch.arange(0, length - WINDOW + 1)
    found = known.starts[known.nearest(torch.from_numpy(sliding(values, WINDOW).copy()), queries)]
    assert int((queries - found).abs().min()) >= WINDOW
    later = found >= 200
    assert int((queries - found)[later].min()) >= REST * WINDOW
    assert bool(later[queries >= 200 + (REST + 4) * WINDOW].any()), "no earlier window was ever the nearest"
    # the amplitude below which windows count as flat stays that of the training part
    assert torch.equal(known.least_spread, trained.least_spread)


def test_an_anomaly_that_lasts_does_not_excuse_itself(wave):
    lasting = wave(200 + REST * WINDOW)[:, None].astype(np.float32)
    lasting[200:] += 5
    reference_windows = ReferenceWindows.build(lasting, np.arange(0, 200 - WINDOW), WINDOW, *UNIT).followed_by(
        lasting, 200, 0, *UNIT
    )
    at = torch.arange(200, len(lasting) - WINDOW)
    windows = torch.from_numpy(sliding(lasting, WINDOW).copy())[at]
    away = windows - reference_windows.closest(windows, reference_windows.nearest(windows, at), at)
    assert float(away.mean((1, 2)).min()) > 3


def test_a_relative_residual_leaves_out_what_is_rebuilt_badly_everywhere(detector):
    windows = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 1, detector.window)).astype(np.float32))
    cells = pool_residual(windows).shape[1]
    parts, residual = parts_of(detector, windows, torch.zeros(5, 3 * cells))
    torch.testing.assert_close(parts.relative, pool_residual(residual))
    same, _ = parts_of(detector, windows, torch.cat([torch.zeros(5, 2 * cells), parts.residual], 1))
    assert float(same.relative.detach().abs().max()) == 0


@pytest.mark.parametrize("later", [False, True])
def test_the_closest_window_lies_between_references_that_are_steps_apart(later):
    rest = REST if later else 1
    length = 400 + (rest + 8) * WINDOW
    values = np.random.default_rng(3).normal(size=(length, 2)).astype(np.float32).cumsum(axis=0)
    reference_windows = ReferenceWindows.build(
        values[:400], np.arange(0, 400 - WINDOW + 1, 7), WINDOW, torch.zeros(2), torch.ones(2)
    )
    if later:
        reference_windows = reference_windows.followed_by(values, 400, 0, torch.zeros(2), torch.ones(2))
    at = torch.arange(400 + (rest + 1) * WINDOW, length - WINDOW, 9)
    windows = torch.from_numpy(sliding(values, WINDOW).copy())
    near = reference_windows.nearest(windows[at], at)
    found = reference_windows.closest(windows[at], near, at)
    for query, start, closest in zip(at.tolist(), reference_windows.starts[near].tolist(), found, strict=True):
        apart = WINDOW * (rest if start >= 400 else 1)
        allowed = [
            p
            for p in range(start - reference_windows.gap + 1, start + reference_windows.gap)
            if 0 <= p <= query - apart
        ]
        distances = (windows[allowed] - windows[query]).square().sum((1, 2))
        assert float((closest - windows[query]).square().sum()) == pytest.approx(float(distances.min()), rel=1e-5)
