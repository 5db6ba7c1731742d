"""The search for the nearest windows of the training part."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive.posttrain_training_windows import distinct_neighbours

from ape.posttrain.training_windows import MAX_SEARCH, TrainingWindows, window_starts

WINDOW = 16
UNIT = torch.zeros(1), torch.ones(1)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_distinct_neighbours_equal_those_found_one_by_one(wave, count):
    values = wave(120)[:, None].astype(np.float32)
    starts = np.arange(0, 120 - WINDOW + 1, 3)
    windows = TrainingWindows.cut(values, starts, WINDOW, *UNIT)
    found = windows.distinct_neighbours(count)
    np.testing.assert_array_equal(found.numpy(), distinct_neighbours(values, starts, WINDOW, count))


def test_windows_are_standardised_and_cut_at_their_starts():
    values = np.arange(20, dtype=np.float32)[:, None] * [1, 10]
    windows = TrainingWindows.cut(
        values.astype(np.float32), np.array([0, 5]), 3, torch.tensor([1.0, 0]), torch.tensor([2.0, 10])
    )
    assert windows.windows.tolist() == [[[-0.5, 0, 0.5], [0, 1, 2]], [[2, 2.5, 3], [5, 6, 7]]]


def test_long_windows_are_averaged_for_the_search():
    windows = TrainingWindows(torch.randn(3, 2, 4 * MAX_SEARCH), torch.arange(3))
    assert windows.coarse.shape == (3, MAX_SEARCH)
    torch.testing.assert_close(windows.coarse[:, 0], windows.windows[:, 0, :8].mean(1))


def test_many_windows_are_thinned_out():
    starts = window_starts([(0, 100_000)], 10)
    assert 3000 < len(starts) <= 4002 and starts[0] == 0 and starts[-1] == 99_990
