"""Matrix profile: agreement with a naive search, constant subsequences, types, and compiling in advance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive import series_matrix_profile as naive
from numpy.lib.stride_tricks import sliding_window_view

from ape.series.matrix_profile import distance_profile, matrix_profile, warm_up
from ape.series.windows import starts


def walk(seed, length=180):
    """A smooth series, so that the nearest subsequences are inside the exclusion zone."""
    return np.cumsum(np.random.default_rng(seed).standard_normal(length))


def noise_with_constants(*begins, window=16):
    x = np.random.default_rng(0).standard_normal(200)
    for value, begin in enumerate(begins):
        x[begin : begin + window + 2] = value
    return x


@pytest.mark.parametrize(("seed", "window"), [(0, 8), (1, 10), (2, 13), (3, 16)])
def test_agrees_with_a_naive_search(seed, window):
    profile = matrix_profile(walk(seed), window)
    distance, index = naive.matrix_profile(walk(seed), window)
    np.testing.assert_allclose(profile.distance, distance, atol=1e-5)
    np.testing.assert_array_equal(profile.index, index)


def test_level_and_scale_do_not_matter():
    x = walk(4)
    x[120:150] = 5 * x[20:50] - 300
    profile = matrix_profile(x, 20)
    np.testing.assert_allclose(profile.distance[20:31], 0, atol=1e-4)
    np.testing.assert_array_equal(profile.index[20:31], np.arange(120, 131))


def test_unusual_cycle_has_the_largest_distance():
    x = np.sin(2 * np.pi * np.arange(400) / 25) + 0.01 * np.random.default_rng(0).standard_normal(400)
    x[200:225] = x[200:225][::-1] ** 3
    assert abs(int(matrix_profile(x, 25).distance.argmax()) - 200) <= 25


def test_constant_subsequences_match_at_any_level():
    profile = matrix_profile(noise_with_constants(50, 120), 16)
    np.testing.assert_allclose(profile.distance[50:53], 0, atol=1e-6)
    np.testing.assert_allclose(profile.distance[120:123], 0, atol=1e-6)
    assert set(profile.index[50:53]) <= {120, 121, 122}
    assert np.isfinite(profile.distance).all()


def test_single_constant_subsequence_has_the_documented_distance():
    np.testing.assert_allclose(matrix_profile(noise_with_constants(50), 16).distance[50:53], math.sqrt(16))


@pytest.mark.filterwarnings("ignore:The window size")
def test_subsequence_without_a_neighbour_has_the_largest_distance():
    # Five subsequences, all within the exclusion zone of ceil(16 / 4) = 4 samples.
    profile = matrix_profile(walk(5, length=20), 16)
    np.testing.assert_array_equal(profile.distance, [8.0] * 5)
    np.testing.assert_array_equal(profile.index, [-1] * 5)


def test_types_and_length():
    profile = matrix_profile(walk(6).astype(np.float32), 12)
    assert profile.distance.shape == profile.index.shape == (180 - 12 + 1,)
    assert profile.distance.dtype == np.float64 and profile.index.dtype == np.int64


def test_repeated_calls_agree_and_do_not_change_the_values():
    x = walk(7)
    original = x.copy()
    first, other, again = matrix_profile(x, 9), matrix_profile(x, 15), matrix_profile(x, 9)
    np.testing.assert_array_equal(first.distance, again.distance)
    np.testing.assert_array_equal(first.index, again.index)
    assert len(other.distance) != len(first.distance)
    np.testing.assert_array_equal(x, original)


def test_non_contiguous_columns_are_accepted():
    table = np.column_stack([walk(8), walk(9)])
    np.testing.assert_array_equal(matrix_profile(table[:, 1], 10).distance, matrix_profile(walk(9), 10).distance)


def test_compiling_again_sends_no_message():
    warm_up(lambda _: None)
    messages = []
    warm_up(messages.append)
    assert messages == []


@pytest.mark.parametrize(
    "segments", [[(0, 90), (90, 180)], [(0, 60), (70, 100), (100, 107), (107, 180)]], ids=["gap", "gaps and missing"]
)
def test_no_subsequence_crosses_a_gap(segments):
    x, window = walk(8), 10
    profile = matrix_profile(x, window, segments)
    at = starts(segments, window)
    subsequences = sliding_window_view(x, window)[at]
    z = (subsequences - subsequences.mean(axis=1, keepdims=True)) / subsequences.std(axis=1, keepdims=True)
    distance = np.linalg.norm(z[:, None] - z[None], axis=2)
    distance[np.abs(at[:, None] - at) <= math.ceil(window / 4)] = np.inf
    np.testing.assert_allclose(profile.distance[at], distance.min(axis=1), atol=1e-5)
    np.testing.assert_array_equal(profile.index[at], at[distance.argmin(axis=1)])
    across = np.setdiff1d(np.arange(len(x) - window + 1), at)
    assert np.isnan(profile.distance[across]).all() and (profile.index[across] == -1).all()
    query = distance_profile(x[at[0] : at[0] + window], x, segments)
    np.testing.assert_allclose(query[at], np.linalg.norm(z - z[0], axis=1), atol=1e-4)
    assert np.isinf(query[across]).all()


@pytest.mark.parametrize("factor", [2.0**-90, 2.0**-40, 2.0**60])
def test_the_unit_of_the_data_does_not_matter(factor):
    x = walk(5)
    before, after = matrix_profile(x, 12), matrix_profile(factor * x, 12)
    np.testing.assert_array_equal(after.distance, before.distance)
    np.testing.assert_array_equal(after.index, before.index)
    np.testing.assert_array_equal(distance_profile(factor * x[20:40], factor * x), distance_profile(x[20:40], x))
