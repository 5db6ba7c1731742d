"""The search for the nearest reference window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.posttrain_reference_windows import closest_distance, distinct_neighbours

from ape.posttrain.reference_windows import REST, ReferenceWindows
from ape.series.windows import sliding, starts

WINDOW = 32
UNIT = torch.zeros(1), torch.ones(1)
WHOLE = [(0, 400)]


def test_overlapping_references_are_excluded(wave):
    values = wave(400)[:, None].astype(np.float32)
    reference_windows = ReferenceWindows.build(values, WHOLE, np.arange(0, 400 - WINDOW), WINDOW, *UNIT)
    assert reference_windows.nearest(reference_windows.windows, None).tolist() == list(
        range(len(reference_windows.starts))
    )
    apart = reference_windows.nearest(reference_windows.windows, reference_windows.starts) - reference_windows.starts
    assert int(apart.abs().min()) >= WINDOW


def test_scored_windows_become_references_after_a_pause(wave):
    length = 200 + 2 * REST * WINDOW
    values = wave(length)[:, None].astype(np.float32)
    trained = ReferenceWindows.build(values, WHOLE, np.arange(0, 200 - WINDOW), WINDOW, *UNIT)
    known = trained.followed_by(values, [(0, length)], 200, 0, *UNIT)
    assert known.starts.tolist() == [*range(200 - WINDOW), *range(200, length - WINDOW + 1)]
    queries = torch.arange(0, length - WINDOW + 1)
    nearest = known.starts[known.nearest(torch.from_numpy(sliding(values, WINDOW).copy()), queries)]
    assert int((queries - nearest).abs().min()) >= WINDOW
    later = nearest >= 200
    assert int((queries - nearest)[later].min()) >= REST * WINDOW
    assert bool(later[queries >= 200 + (REST + 4) * WINDOW].any()), "no earlier window was ever the nearest"
    # the amplitude below which windows count as flat stays that of the training part
    assert torch.equal(known.least_spread, trained.least_spread)


def test_long_anomaly_does_not_match_itself(wave):
    lasting = wave(200 + REST * WINDOW)[:, None].astype(np.float32)
    lasting[200:] += 5
    reference_windows = ReferenceWindows.build(lasting, WHOLE, np.arange(0, 200 - WINDOW), WINDOW, *UNIT).followed_by(
        lasting, [(0, len(lasting))], 200, 0, *UNIT
    )
    at = torch.arange(200, len(lasting) - WINDOW)
    windows = torch.from_numpy(sliding(lasting, WINDOW).copy())[at]
    away = windows - reference_windows.closest(windows, reference_windows.nearest(windows, at), at)
    assert float(away.mean((1, 2)).min()) > 3


@pytest.mark.parametrize("later", [False, True])
def test_closest_window_matches_a_search_one_by_one(later):
    rest = REST if later else 1
    length = 400 + (rest + 8) * WINDOW
    values = np.random.default_rng(3).normal(size=(length, 2)).astype(np.float32).cumsum(axis=0)
    reference_windows = ReferenceWindows.build(
        values[:400], [(0, 400)], np.arange(0, 400 - WINDOW + 1, 7), WINDOW, torch.zeros(2), torch.ones(2)
    )
    if later:
        reference_windows = reference_windows.followed_by(values, [(0, length)], 400, 0, torch.zeros(2), torch.ones(2))
    at = torch.arange(400 + (rest + 1) * WINDOW, length - WINDOW, 9)
    windows = torch.from_numpy(sliding(values, WINDOW).copy())
    near = reference_windows.nearest(windows[at], at)
    results = reference_windows.closest(windows[at], near, at)
    for query, start, closest in zip(at.tolist(), reference_windows.starts[near].tolist(), results, strict=True):
        apart = WINDOW * (rest if start >= 400 else 1)
        expected = closest_distance(windows.numpy(), query, start, reference_windows.gap, apart)
        assert float((closest - windows[query]).square().sum()) == pytest.approx(expected, rel=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 50), st.integers(1, 4), st.sampled_from([1, 3]))
def test_distinct_neighbours_match_a_search_one_by_one(seed, count, channels):
    length, window = 50, 7
    values = np.random.default_rng(seed).standard_normal((length, channels)).astype(np.float32)
    starts = np.arange(0, length - window + 1, 2)
    reference_windows = ReferenceWindows.build(
        values, [(0, length)], starts, window, torch.zeros(channels), torch.ones(channels)
    )
    expected = distinct_neighbours(values, starts, window, count)
    np.testing.assert_array_equal(reference_windows.distinct_neighbours(count).numpy(), expected)


def test_last_neighbour_is_repeated_when_none_is_left():
    values = np.arange(20, dtype=np.float32)[:, None] ** 2
    reference_windows = ReferenceWindows.build(values, [(0, 20)], np.array([0, 10]), 10, *UNIT)
    assert reference_windows.distinct_neighbours(3).tolist() == [[1, 0]] * 3


@settings(max_examples=20)
@given(
    st.integers(0, 50),
    st.lists(st.integers(20, 60), min_size=2, max_size=5),
    st.integers(1, 9),
    st.sampled_from(["training", "goes on", "another series"]),
)
def test_closest_windows_do_not_cross_a_gap(seed, lengths, step, scored):
    window, edges = 12, np.cumsum([0, *lengths]).tolist()
    segments = list(pairwise(edges))
    values = np.random.default_rng(seed).standard_normal((edges[-1], 1)).astype(np.float32)
    known = ReferenceWindows.build(values, segments, starts(segments, window)[::step].copy(), window, *UNIT)
    if scored != "training":
        more = np.random.default_rng([seed, 1]).standard_normal((edges[-1] + 100, 1)).astype(np.float32)
        offset = edges[-1]
        if scored == "goes on":
            more[: edges[-1]], offset = values, 0
        later = [*segments[:-1], (edges[-2], edges[-1] + 30), (edges[-1] + 30, edges[-1] + 100)]
        known = known.followed_by(more, later, edges[-1] - offset, offset, *UNIT)
        segments = later if offset == 0 else [*segments, *((begin + offset, end + offset) for begin, end in later)]
    length = known.series.shape[1]
    queries = torch.from_numpy(np.random.default_rng([seed, 2]).standard_normal((40, 1, window)).astype(np.float32))
    closest = known.closest(queries, known.nearest(queries, None), None).numpy()
    every = sliding(known.series.numpy().T, window)
    whole = every[starts(segments, window)]
    assert all((whole == one).all(axis=(1, 2)).any() for one in closest)
    assert len(every) == length - window + 1


def test_no_reference_without_a_stretch_that_is_long_enough(wave):
    values = wave(200)[:, None].astype(np.float32)
    known = ReferenceWindows.build(values[:100], [(0, 100)], np.arange(100 - WINDOW + 1), WINDOW, *UNIT)
    assert known.followed_by(values, [(0, 100), (100, 120), (120, 150), (150, 165)], 100, 0, *UNIT) is known
