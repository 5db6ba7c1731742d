"""Validation of series: filled gaps, dropped channels, and the errors for unusable values."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.series import from_array

T = 400
WAVE = np.sin(np.arange(T) / 7.0)


def test_short_gaps_are_filled_with_a_note():
    values = WAVE.copy()
    values[50:55] = np.nan
    series = from_array(values)
    assert np.isfinite(series.values).all()
    assert "5 missing values" in series.notes[0]
    expected = np.interp(52, [49, 55], [WAVE[49], WAVE[55]])
    assert series.values[52, 0] == pytest.approx(expected, abs=1e-6)


def test_constant_channel_is_left_out_with_a_note():
    series = from_array(np.stack([WAVE, np.ones(T)], 1), channels=["a", "b"])
    assert series.channels == ("a",)
    assert "'b' is constant" in series.notes[0]


def with_value(position, value):
    values = WAVE.copy()
    values[position] = value
    return values


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (with_value(slice(20, 380), np.nan), {}, "only 0 points in stretches .* missing values .*the longest has 20"),
        (with_value(17, np.inf), {}, "infinite value .*position 17"),
        (np.full(T, 3.0), {}, "constant"),
        (np.concatenate([np.ones(200), WAVE]), {"train_end": 150}, "training part is constant"),
        (WAVE[:50], {}, "50 points are too few"),
        (WAVE, {"train_end": T + 1}, "train_end 401 is out of range"),
        (WAVE, {"train_end": -5}, "train_end -5 is out of range"),
        (WAVE.astype(str), {}, "not numbers"),
        (WAVE.reshape(2, 2, 100), {}, "shape"),
        (np.full(T, np.nan), {}, "only missing values"),
        (WAVE * 1e38, {}, "beyond"),
    ],
)
def test_unusable_values_are_refused_with_their_position(values, options, message):
    with pytest.raises(InputError, match=message) as caught:
        from_array(values, **options)
    assert "\n" not in str(caught.value)


def test_long_runs_of_missing_values_hold_the_last_value_and_split_the_training_part():
    values = WAVE.copy()
    values[:15] = values[100:150] = values[390:] = np.nan
    series = from_array(values)
    assert (series.values[:15, 0] == series.values[15, 0]).all()
    assert (series.values[100:150, 0] == series.values[99, 0]).all()
    assert np.flatnonzero(series.missing[:, 0]).tolist() == [*range(15), *range(100, 150)]  # ten at the end are filled
    assert series.train_segments == ((15, 100), (150, 400))
    assert series.segments == ((0, 400),)
    assert "65 missing values in 2 long runs" in " ".join(series.notes)


def test_a_channel_without_values_in_training_is_left_out():
    other = np.where(np.arange(T) < 300, np.nan, WAVE)
    series = from_array(np.stack([WAVE, other], 1), channels=["a", "b"], train_end=300)
    assert series.channels == ("a",)
    assert "'b' has no value to train on" in series.notes[0]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e35])
def test_values_that_float32_cannot_hold_are_clipped_after_the_training_part(bad):
    series = from_array(with_value(350, bad), train_end=300)
    assert abs(series.values[350, 0]) == np.float32(1e32)
    with pytest.raises(InputError, match=r"infinite value|beyond"):
        from_array(with_value(350, bad))


@pytest.mark.parametrize("values", [np.ones(T), WAVE[:5], np.full(T, np.nan), with_value(slice(20, 380), np.nan)])
def test_nothing_is_required_of_values_that_are_only_scored(values):
    series = from_array(values, scoring=True)
    assert series.length == len(values)
    assert np.isfinite(series.values).all()


def test_far_values_after_the_training_part_do_not_change_the_offset():
    wave = 2e7 + WAVE
    spoilt = np.concatenate([wave, np.zeros(50)])
    series = from_array(spoilt, train_end=T)
    assert series.offset == pytest.approx([2e7], abs=1)
    assert series.values[:T, 0] == pytest.approx(wave - series.offset[0], abs=1e-6)


def test_dropouts_within_the_training_part_do_not_hide_a_large_level():
    values = 2e7 + WAVE
    values[::50] = 0
    series = from_array(values)
    assert np.abs(series.values[1:50, 0] - (values[1:50] - series.offset[0])).max() < 1e-6
