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
        (with_value(slice(50, 80), np.nan), {}, "gap of 30 missing values .*position 50"),
        (with_value(17, np.inf), {}, "infinite value .*position 17"),
        (np.full(T, 3.0), {}, "constant"),
        (np.concatenate([np.ones(200), WAVE]), {"train_end": 150}, "training part is constant"),
        (WAVE[:50], {}, "50 points are too few"),
        (WAVE, {"train_end": T + 1}, "train_end 401 is out of range"),
        (WAVE, {"train_end": -5}, "train_end -5 is out of range"),
        (WAVE.astype(str), {}, "not numbers"),
        (WAVE.reshape(2, 2, 100), {}, "shape"),
        (np.full(T, np.nan), {}, "gap of 400"),
        (WAVE * 1e38, {}, "beyond"),
    ],
)
def test_unusable_values_are_refused_with_their_position(values, options, message):
    with pytest.raises(InputError, match=message) as caught:
        from_array(values, **options)
    assert "\n" not in str(caught.value)
