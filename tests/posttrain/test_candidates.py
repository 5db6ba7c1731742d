"""The split of the training part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ape.posttrain.candidates import TooShortError, profile
from ape.series import from_array

WINDOW, TRAIN_END = 32, 1200
UNIT = torch.zeros(1), torch.ones(1)


def profiled(values, vouched=True, **options):
    return profile(from_array(values[:, None], train_end=len(values) if vouched else None), WINDOW, *UNIT, **options)


def test_gap_separates_training_and_held_out_windows(series):
    candidates = profile(series, WINDOW, *UNIT)
    assert candidates.fit.max() + 2 * WINDOW <= candidates.held_out[0]
    assert candidates.held_out_starts().min() >= candidates.held_out[0]
    assert candidates.held_out[1] == TRAIN_END


def test_given_filter_replaces_the_default(wave):
    chosen = np.arange(100, 140)
    candidates = profiled(wave(TRAIN_END), suspect=lambda windows, _: np.isin(windows.starts.numpy(), chosen))
    np.testing.assert_array_equal(candidates.suspicious, chosen)


def test_short_training_part_is_refused(wave):
    with pytest.raises(TooShortError, match="too few to post-train"):
        profile(from_array(wave()[:, None], train_end=200), 64, *UNIT)


@pytest.mark.parametrize("first", [True, False])
def test_entirely_suspicious_part_is_refused(wave, first):
    with pytest.raises(TooShortError, match="first or the last part"):
        profiled(wave(TRAIN_END), suspect=lambda windows, _: (windows.starts.numpy() < 850) == first)
