"""The split of the training part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support import with_gaps

from ape.posttrain.acceptance import implant
from ape.posttrain.candidates import TooShortError, profile
from ape.rules import broad_bank, build_context
from ape.series import from_array
from ape.series.windows import sliding

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


def test_no_candidate_crosses_a_gap_or_covers_missing_values(wave):
    values = np.stack([wave(TRAIN_END + 300), 100.0 * (np.arange(TRAIN_END + 300) // 250)], axis=1)
    missing = np.zeros(values.shape, dtype=bool)
    missing[600:630, 0] = True
    series = replace(with_gaps(from_array(values, train_end=TRAIN_END), 250, 500, 750, 1000, 1250), missing=missing)
    candidates = profile(series, WINDOW, torch.zeros(2), torch.ones(2))
    windows = sliding(candidates.values, WINDOW)
    for starts in (candidates.fit, candidates.held_out_starts(), candidates.reference_windows.starts.numpy()):
        assert len(starts) > 50 and np.ptp(windows[starts, 1]) > 0
        assert np.ptp(windows[starts, 1], axis=1).max() == 0
        assert not ((starts < 630) & (starts + WINDOW > 600)).any()
    bank = broad_bank(build_context(series), ["level_shift"])
    implants = implant(bank, candidates, torch.Generator().manual_seed(0))
    assert not (np.ptp(windows[implants.positions, 1], axis=1) > 0).any()


def test_six_windows_must_fit_between_gaps(wave):
    series = with_gaps(from_array(wave()[:, None], train_end=1200), *range(WINDOW - 1, 1100, WINDOW - 1))
    with pytest.raises(TooShortError, match="too few to post-train"):
        profile(series, WINDOW, *UNIT)


def test_phase_goes_on_during_a_gap(wave):
    values = wave(TRAIN_END)
    values[900:905] += 4  # removes windows of a quarter of all phases
    whole = profile(from_array(values[:, None], train_end=TRAIN_END), WINDOW, *UNIT)
    shifted = with_gaps(from_array(values[:, None], train_end=TRAIN_END), 600, missing=12)
    phases = [each.summary()["share_left_out"]["phase"] for each in (whole, profile(shifted, WINDOW, *UNIT))]
    assert int(np.argmax(phases[1])) == (int(np.argmax(phases[0])) + 2) % 4
