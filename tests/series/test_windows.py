"""Windows: start positions, batches, and averages over overlapping windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.series import windows
from ape.series.series import Gap

LENGTH, WINDOW, STRIDE = st.integers(5, 80), st.integers(1, 30), st.integers(1, 12)
# lengths of stretches, and points between them that belong to none
SEGMENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 40)), min_size=1, max_size=6).map(
    lambda parts: [
        (end - length, end)
        for (_, length), end in zip(parts, np.cumsum([sum(part) for part in parts]).tolist(), strict=True)
    ]
)


@given(length=LENGTH, window=WINDOW, stride=STRIDE)
def test_windows_reach_the_end_and_overlap_mean_restores_the_series(length, window, stride):
    if window > length:
        with pytest.raises(InputError, match=f"{length} points are fewer than a window of {window}"):
            windows.starts([(0, length)], window, stride)
        return
    starts = windows.starts([(0, length)], window, stride)
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
    starts = windows.starts([(0, length)], window, min(stride, window))
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
    batches = list(windows.start_batches([(0, length)], window, stride, size))
    assert all(len(batch) == size for batch in batches[:-1]) and 0 < len(batches[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(batches), windows.starts([(0, length)], window, stride))


@given(segments=SEGMENTS, window=WINDOW, stride=STRIDE, size=st.integers(1, 9))
def test_windows_lie_within_segments_and_cover_those_that_are_long_enough(segments, window, stride, size):
    stride, long = min(stride, window), [(begin, end) for begin, end in segments if end - begin >= window]
    if not long:
        with pytest.raises(InputError, match=r"fewer than a window|no stretch without a gap"):
            windows.starts(segments, window, stride)
        return
    starts = windows.starts(segments, window, stride)
    expected = [range(begin, end - window + 1)[i] for begin, end in long for i in _places(end - begin - window, stride)]
    assert starts.tolist() == expected
    np.testing.assert_array_equal(np.concatenate(list(windows.start_batches(segments, window, stride, size))), starts)
    for most in (1, 3, len(every := windows.starts(segments, window))):
        spaced = windows.spaced_starts(segments, window, most)
        step = max(1, -(-(len(every) - 1) // most))
        np.testing.assert_array_equal(spaced, np.unique([*every[::step], every[-1]]))
    length, values = segments[-1][1], np.random.default_rng(0).normal(size=(len(starts), window))
    covered = np.unique(starts[:, None] + np.arange(window))
    np.testing.assert_array_equal(covered, windows.points(long))
    batches = [(starts[i : i + size], values[i : i + size]) for i in range(0, len(starts), size)]
    mean = windows.streamed_overlap_mean(batches, length)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(mean)), covered)
    np.testing.assert_allclose(mean, windows.overlap_mean(values, starts, length), rtol=1e-4, atol=1e-6)


def _places(last, stride):
    """0, stride, 2 stride, ... and finally last."""
    return sorted({*range(0, last, stride), last})


@given(segments=SEGMENTS, window=st.integers(1, 12), late=st.integers(0, 60))
def test_early_windows_end_before_the_late_points(segments, window, late):
    long = windows.usable(segments, window)
    points = windows.points(long) if long else np.zeros(0)
    late += window
    if late > len(points):
        return
    early, after = windows.split_starts(segments, window, late)
    every = windows.starts(segments, window).tolist()
    assert early.tolist() == [at for at in every if at + window <= points[-late]]
    assert after.tolist() == [at for at in every if at >= points[-late]]
    assert len(after) > 0 and (late > len(points) - window or len(early) > 0)


def test_longest_window_of_stretches():
    # of 4 windows: 25 in the first alone; 40 + 100 points give 35
    assert windows.longest_window([(0, 100)], 4) == 25
    assert windows.longest_window([(0, 100), (100, 140)], 4) == 35
    assert windows.longest_window([(0, 10), (10, 20), (20, 30), (30, 40), (40, 50)], 4) == 10


def test_steps_count_the_missing_rows_of_gaps():
    gaps = Gap(position=3, missing=10, seconds=0), Gap(position=5, missing=2, seconds=0)
    np.testing.assert_array_equal(windows.steps_at(np.arange(7), gaps), [0, 1, 2, 13, 14, 17, 18])
    np.testing.assert_array_equal(windows.steps_at(np.arange(3), ()), [0, 1, 2])


def test_sliding_is_a_view_with_channels_before_time():
    values = np.arange(12).reshape(6, 2)
    view = windows.sliding(values, 3)
    assert view.shape == (4, 2, 3) and np.shares_memory(view, values)
    np.testing.assert_array_equal(view[1, 1], [3, 5, 7])
