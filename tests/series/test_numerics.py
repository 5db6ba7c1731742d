"""Windows and plain numerics, by hand-worked numbers and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.series import numerics, windows


@given(length=st.integers(5, 80), window=st.integers(1, 30), stride=st.integers(1, 12))
def test_windows_reach_the_end_and_overlap_mean_undoes_cutting(length, window, stride):
    if window > length:
        with pytest.raises(ValueError, match="does not fit"):
            windows.starts(length, window, stride)
        return
    starts = windows.starts(length, window, stride)
    assert starts[0] == 0 and starts[-1] == length - window
    assert (np.diff(starts) <= stride).all()
    values = np.random.default_rng(0).normal(size=length).astype(np.float32)
    cut = values[starts[:, None] + np.arange(window)]
    covered = np.unique(starts[:, None] + np.arange(window))
    np.testing.assert_allclose(windows.overlap_mean(cut, starts, length)[covered], values[covered], rtol=1e-5)


def test_overlap_mean_by_hand():
    out = windows.overlap_mean(np.array([[1.0, 3.0], [5.0, 7.0]]), np.array([0, 1]), 3)
    np.testing.assert_allclose(out, [1, 4, 7])


@given(length=st.integers(5, 80), window=st.integers(1, 30), stride=st.integers(1, 12), batch=st.integers(1, 9))
def test_streamed_overlap_mean_is_that_of_all_at_once(length, window, stride, batch):
    window = min(window, length)
    starts = windows.starts(length, window, min(stride, window))
    values = np.random.default_rng(0).normal(size=(len(starts), window)).astype(np.float32)
    batches = [(starts[i : i + batch], values[i : i + batch]) for i in range(0, len(starts), batch)]
    streamed = windows.streamed_overlap_mean(iter(batches), length)
    assert streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, windows.overlap_mean(values, starts, length), rtol=1e-4, atol=1e-6)
    channels = windows.streamed_overlap_mean(((at, np.stack([some, 3 * some])) for at, some in batches), length)
    np.testing.assert_allclose(channels, [streamed, 3 * streamed], rtol=1e-4, atol=1e-6)


@given(length=st.integers(5, 80), window=st.integers(1, 30), stride=st.integers(1, 12), size=st.integers(1, 9))
def test_batches_of_starts_are_all_starts_in_order(length, window, stride, size):
    window = min(window, length)
    stride = min(stride, window)
    batches = list(windows.start_batches(length, window, stride, size))
    assert all(len(batch) == size for batch in batches[:-1]) and 0 < len(batches[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(batches), windows.starts(length, window, stride))


def test_sliding_is_a_view_in_channel_order():
    values = np.arange(12).reshape(6, 2)
    cut = windows.sliding(values, 3)
    assert cut.shape == (4, 2, 3) and np.shares_memory(cut, values)
    np.testing.assert_array_equal(cut[1, 1], [3, 5, 7])


def test_robust_scale_by_hand():
    assert numerics.robust_scale(np.array([1.0, 2, 3, 4, 100])) == pytest.approx(1.4826)
    assert numerics.robust_scale(np.array([0.0] * 9 + [10])) == pytest.approx(0.01)


@pytest.mark.parametrize("period", [12, 50, 183])
def test_dominant_period_of_a_noisy_wave(period):
    t = np.arange(12 * period)
    wave = np.sin(2 * np.pi * t / period) + 0.5 * np.sin(4 * np.pi * t / period + 1)
    noisy = wave + 0.2 * np.random.default_rng(1).normal(size=len(t))
    assert numerics.dominant_period(noisy) == pytest.approx(period, rel=0.03)


def test_noise_has_no_period():
    assert numerics.dominant_period(np.random.default_rng(0).normal(size=3000)) is None


def test_acf_agrees_with_statsmodels():
    from statsmodels.tsa.stattools import acf

    x = np.cumsum(np.random.default_rng(2).normal(size=500))
    np.testing.assert_allclose(numerics.acf(x, 40), acf(x, nlags=40, adjusted=True, fft=True), atol=1e-10)


def test_auc_by_hand_counts_ties_half():
    assert numerics.auc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == pytest.approx((0.75 + 1.0) / 2)
    assert numerics.auc(np.array([3.0, 4.0]), np.array([1.0])) == 0.0
