"""Validation of series: filled gaps, dropped channels, and the errors for unusable values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ape.core.errors import InputError
from ape.series import from_array, from_dataframe, load

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


def test_a_wave_on_a_level_of_a_million_millions_is_kept():
    series = from_array(1e12 + WAVE)
    assert np.abs(series.values[:, 0] + (series.offset[0] - 1e12) - WAVE).max() < 1e-4  # half a step of float64


def test_the_reason_names_the_step_of_float64_and_the_spread():
    with pytest.raises(InputError, match=r"near 1e\+15 vary by 0.7, but float64 has steps of 0.12"):
        from_array(1e15 + WAVE)


@pytest.mark.parametrize("level", [5.0, 0.1, -101325.3, 1e-12, 1e16, float(np.float32(5.1)) + 2.0**-22])
def test_a_channel_that_varies_by_rounding_only_is_constant(level):
    ulps = np.random.default_rng(0).integers(-2, 3, T) * np.spacing(level)
    series = from_array(np.stack([WAVE, level + ulps], 1), channels=["a", "b"])
    assert series.channels == ("a",)
    assert "channel 'b' is constant but for rounding and was left out" in series.notes
    with pytest.raises(InputError, match="'value' is constant but for rounding"):
        from_array(level + ulps)


@pytest.mark.parametrize("kind", ["array", "text", "frame", "parquet"])
@pytest.mark.parametrize("level", [2**60, 2**63 - 1000, 2**63 + 12_345, 2**64 - 1_000_000])
def test_integers_beyond_the_digits_of_float64_are_exact(tmp_path, kind, level):
    whole = np.round(300 * WAVE).astype(int).tolist()
    values = np.array([level + each for each in whole], dtype=np.uint64)
    frame = pd.DataFrame({"value": values})
    if kind == "text":
        (tmp_path / "a.csv").write_text("value\n" + "\n".join(map(str, values)) + "\n")
        series = load(tmp_path / "a.csv")
    elif kind == "parquet":
        frame.to_parquet(tmp_path / "a.parquet")
        series = load(tmp_path / "a.parquet")
    else:
        series = from_array(values) if kind == "array" else from_dataframe(frame)
    offset = int(series.offset[0])
    assert [int(each) + offset - level for each in series.values[:, 0].tolist()] == whole
    assert f"values are kept relative to {offset}" in series.notes[-1]


def test_integers_that_differ_by_less_than_a_step_of_float64_are_exact():
    series = from_array(2**60 + np.round(50 * WAVE).astype(np.int64))
    assert np.ptp(series.values) == 100


def test_numbers_below_the_smallest_of_float64_are_refused_with_the_reason(tmp_path):
    (tmp_path / "a.csv").write_text("value\n" + "\n".join(f"{v:.4f}e-400" for v in WAVE) + "\n")
    with pytest.raises(InputError, match="values below 1e-308, which float64 does not represent"):
        load(tmp_path / "a.csv")
