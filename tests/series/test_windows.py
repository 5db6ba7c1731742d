"""Windows: start positions, batches, and averages over overlapping windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.series import windows

LENGTH, WINDOW, STRIDE = st.integers(5, 80), st.integers(1, 30), st.integers(1, 12)


@given(length=LENGTH, window=WINDOW, stride=STRIDE)
def test_windows_reach_the_end_and_overlap_mean_restores_the_series(length, window, stride):
    if window > length:
        with pytest.raises(ValueError, match="does not fit"):
            windows.starts(length, window, stride)
        return
    starts = windows.starts(length, window, stride)
    assert starts[0] == 0 and starts[-1] == length - window
    assert (np.diff(starts) <= stride).all()
    values = np.random.default_rng(0).normal(size=length).astype(np.float32)
    positions = starts[:, None] + np.arange(window)
    covered = np.unique(positions)
    np.testing.assert_allclose(
        windows.overlap_mean(values[positions], starts, length)[covered], values[covered], rtol=1e-5
    )


def test_overlap_mean_of_two_windows():
    out = windows.overlap_mean(np.array([[1.0, 3.0], [5.0, 7.0]]), np.array([0, 1]), 3)
    np.testing.assert_allclose(out, [1, 4, 7])


@given(length=LENGTH, window=WINDOW, stride=STRIDE, batch=st.integers(1, 9))
def test_streamed_overlap_mean_equals_the_mean_of_all_windows(length, window, stride, batch):
    window = min(window, length)
    starts = windows.starts(length, window, min(stride, window))
    values = np.random.default_rng(0).normal(size=(len(starts), window)).astype(np.float32)
    batches = [(starts[i : i + batch], values[i : i + batch]) for i in range(0, len(starts), batch)]
    streamed = windows.streamed_overlap_mean(iter(batches), length)
    assert streamed.dtype == np.float32
    np.testing.assert_allclose(streamed, windows.overlap_mean(values, starts, length), rtol=1e-4, atol=1e-6)
    two_channels = ((some, np.stack([part, 3 * part])) for some, part in batches)
    channels = windows.streamed_overlap_mean(two_channels, length)
    np.testing.assert_allclose(channels, [streamed, 3 * streamed], rtol=1e-4, atol=1e-6)


@given(length=LENGTH, window=WINDOW, stride=STRIDE, size=st.integers(1, 9))
def test_batches_contain_all_starts_in_order(length, window, stride, size):
    window = min(window, length)
    stride = min(stride, window)
    batches = list(windows.start_batches(length, window, stride, size))
    assert all(len(batch) == size for batch in batches[:-1]) and 0 < len(batches[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(batches), windows.starts(length, window, stride))


def test_sliding_is_a_view_with_channels_before_time():
    values = np.arange(12).reshape(6, 2)
    view = windows.sliding(values, 3)
    assert view.shape == (4, 2, 3) and np.shares_memory(view, values)
    np.testing.assert_array_equal(view[1, 1], [3, 5, 7])
