"""The normal part of a series, and what is held out of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import with_gaps

from ape.posttrain.normal_part import NormalPart, TooShortError, profile
from ape.series import from_array

WINDOW, TRAIN_END = 32, 1200
UNIT = torch.zeros(1), torch.ones(1)


def profiled(values, vouched=True, window=WINDOW, **options):
    series = from_array(values[:, None], train_end=len(values) if vouched else None)
    return profile(series, window, *UNIT, **options)


def test_last_quarter_is_held_out(series):
    found = profile(series, WINDOW, *UNIT)
    assert found.held_out == 900 and len(found.normal.values) == TRAIN_END
    assert len(found.learnt.values) == 900 and found.learnt.clean == [(0, 900)]


def test_points_in_the_middle_of_suspicious_windows_are_left_out(wave):
    chosen = np.arange(100, 140)  # windows that contain 139 are all chosen, 100 and 170 are in few of them
    found = profiled(wave(TRAIN_END), suspect=lambda windows, _: np.isin(windows.starts.numpy(), chosen))
    np.testing.assert_array_equal(found.suspicious, chosen)
    (first, begin), (end, last) = found.normal.clean
    assert (first, last) == (0, TRAIN_END) and 100 < begin <= 139 < end < 171
    assert np.flatnonzero(~found.normal.is_clean).tolist() == list(range(begin, end))


def test_part_before_a_point_keeps_its_stretches():
    normal = NormalPart(np.zeros((100, 1), np.float32), [(0, 40), (50, 100)], [(0, 30), (35, 40), (50, 100)])
    early = normal.before(60)
    assert len(early.values) == 60
    assert (early.segments, early.clean) == ([(0, 40), (50, 60)], [(0, 30), (35, 40), (50, 60)])
    assert np.flatnonzero(~early.is_clean).tolist() == [*range(30, 35), *range(40, 50)]


@pytest.mark.parametrize(("length", "window"), [(383, 32), (384, 64), (191, None), (192, 32), (768, 128)])
def test_short_training_part_takes_a_shorter_window(wave, length, window):
    if window is None:
        with pytest.raises(TooShortError, match="too few to post-train"):
            profiled(wave(length), window=128)
    else:
        assert profiled(wave(length), window=128).summary["window"] == window


def test_window_that_is_short_anyway_is_not_halved(wave):
    assert profiled(wave(130), window=20).summary["window"] == 20
    with pytest.raises(TooShortError, match="too few to post-train"):
        profiled(wave(130), window=22)


@pytest.mark.parametrize("first", [True, False])
def test_entirely_suspicious_part_is_refused(wave, first):
    with pytest.raises(TooShortError, match="first or the last part"):
        profiled(wave(TRAIN_END), suspect=lambda windows, _: (windows.starts.numpy() < 890) == first)


def test_clean_stretches_cross_no_gap_and_cover_no_missing_values(wave):
    values = np.stack([wave(TRAIN_END + 300), wave(TRAIN_END + 300, seed=1)], axis=1)
    missing = np.zeros(values.shape, dtype=bool)
    missing[600:630, 0] = True
    series = replace(with_gaps(from_array(values, train_end=TRAIN_END), 250, 500, 750, 1000, 1250), missing=missing)
    normal = profile(series, WINDOW, torch.zeros(2), torch.ones(2)).normal
    assert normal.clean == ((0, 250), (250, 500), (500, 600), (630, 750), (750, 1000), (1000, 1200))


def test_six_windows_must_fit_between_gaps(wave):
    series = with_gaps(from_array(wave()[:, None], train_end=1200), *range(WINDOW - 1, 1100, WINDOW - 1))
    with pytest.raises(TooShortError, match="too few to post-train"):
        profile(series, WINDOW, *UNIT)


def test_phase_goes_on_during_a_gap(wave):
    values = wave(TRAIN_END)
    values[900:905] += 4  # removes windows of a quarter of all phases
    whole = profile(from_array(values[:, None], train_end=TRAIN_END), WINDOW, *UNIT)
    shifted = with_gaps(from_array(values[:, None], train_end=TRAIN_END), 600, missing=12)
    phases = [each.summary["share_left_out"]["phase"] for each in (whole, profile(shifted, WINDOW, *UNIT))]
    assert int(np.argmax(phases[1])) == (int(np.argmax(phases[0])) + 2) % 4


def test_summary_is_plain(wave):
    values = wave(TRAIN_END)
    values[500:560] += 4
    found = profiled(values)
    summary = json.loads(json.dumps(found.summary, allow_nan=False))
    assert summary["windows_left_out"] == len(found.suspicious) > 0
    assert summary["windows_profiled"] == TRAIN_END - WINDOW + 1
    assert summary["points_left_out"] == int((~found.normal.is_clean).sum()) >= 60
    ((begin, end),) = summary["longest_stretches"]
    assert summary["stretches"] == 1 and begin <= 480 and end >= 580
    shares = summary["share_left_out"]
    assert {name: len(bins) for name, bins in shares.items()} == {"level": 4, "activity": 4, "phase": 4}
    assert max(shares["level"]) == shares["level"][3] > summary["windows_left_out"] / summary["windows_profiled"]


def test_summary_has_no_phase_without_a_period():
    values = np.random.default_rng(0).standard_normal(1000)
    assert set(profiled(values).summary["share_left_out"]) == {"level", "activity"}


def test_far_values_are_a_whole_range_outside_that_of_clean_points():
    values = np.array([[0, 5], [1, 5], [90, 5]], np.float32)
    normal = NormalPart(values, [(0, 3)], [(0, 2)])
    new = np.array([[-0.9, 5], [-1.1, 5.1], [2.1, 4.9]], np.float32)
    assert normal.far(new).tolist() == [[False, False], [True, True], [True, True]]
