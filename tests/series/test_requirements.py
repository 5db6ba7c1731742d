"""What a trained detector requires of a new series: channels by name, offsets, steps, counters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.series import ReadOptions, Requirements, aligned, from_array, from_dataframe, load

T = 400
WAVES = np.sin(np.arange(T)[:, None] / [7.0, 11.0, 5.0])
NAMES = ("temp_C", "p_bar", "flow")
NAMED = Requirements(NAMES)


def named(names=NAMES, values=WAVES, **options):
    return from_array(values, channels=list(names), **options)


@given(order=st.permutations(range(3)))
def test_columns_are_put_into_the_order_of_training(order):
    series = aligned(named([NAMES[k] for k in order], WAVES[:, order]), NAMED)
    assert series.channels == NAMES
    np.testing.assert_array_equal(series.values, WAVES.astype(np.float32))
    assert any("another order" in note for note in series.notes) == (list(order) != [0, 1, 2])


def test_other_channels_are_left_out_with_a_note():
    values = np.column_stack([WAVES, WAVES[:, 0] ** 2])
    series = aligned(named((*NAMES, "host load"), values), NAMED)
    assert series.channels == NAMES
    assert "not trained on 'host load'" in series.notes[-1]


@pytest.mark.parametrize("names", [("temp_C", "p_bar", "durchfluss"), ("temp_C", "p_bar", "Flow")])
def test_renamed_channels_are_refused_and_both_names_are_said(names):
    with pytest.raises(InputError, match=f"no channel 'flow'; the detector does not know '{names[2]}'"):
        aligned(named(names), NAMED)


def test_missing_channels_are_refused():
    with pytest.raises(InputError, match="no channel 'flow'"):
        aligned(named(NAMES[:2], WAVES[:, :2]), NAMED)


@pytest.mark.parametrize(
    ("trained", "given"),
    [
        ("temp_C", "temp_F"),
        ("temp (C)", "temp [F]"),
        ("temp (°C)", "temp_degF"),
        ("pressure_bar", "pressure kPa"),
        ("load (%)", "load_percent"),
        ("speed [km/h]", "speed [m/s]"),
        ("flow_l_min", "flow [m3/h]"),
    ],
)
def test_another_unit_is_accepted_with_a_warning(trained, given):
    series = aligned(named([given], WAVES[:, :1]), Requirements((trained,)))
    assert series.channels == (trained,)
    assert series.notes[-1] == f"warning: channel '{given}' is taken for '{trained}', but the unit differs"


@pytest.mark.parametrize(
    ("trained", "given"),
    [("sensor_1", "sensor_2"), ("current_a", "current_c"), ("temp_C", "flow_F"), ("load (1min)", "load (5min)")],
)
def test_names_that_differ_in_more_than_the_unit_are_refused(trained, given):
    with pytest.raises(InputError, match="no channel"):
        aligned(named([given], WAVES[:, :1]), Requirements((trained,)))


def test_two_choices_of_a_unit_are_refused():
    with pytest.raises(InputError, match="no channel 'temp_C'"):
        aligned(named(["temp_F", "temp_K"], WAVES[:, :2]), Requirements(("temp_C",)))


def test_names_that_nobody_gave_are_matched_by_position():
    assert aligned(from_array(WAVES), NAMED).channels == NAMES
    by_number = Requirements.of(from_array(WAVES))
    assert aligned(named(("a", "b", "c")), by_number).channels == ("channel0", "channel1", "channel2")
    with pytest.raises(InputError, match="2 channels, but the detector was trained on 3"):
        aligned(from_array(WAVES[:, :2]), NAMED)


@settings(max_examples=30, deadline=None)
@given(level=st.sampled_from([0.0, 3.0, 2e7, -1e9, 4e11]), other=st.sampled_from([0.0, 2e7, 1e9, 4e11]))
def test_values_are_relative_to_the_offset_of_training(level, other):
    trained = from_array(level + WAVES[:, :1])
    series = aligned(from_array(other + WAVES[:, :1]), Requirements.of(trained))
    expected = (other + WAVES[:, 0]) - (0.0 if trained.offset is None else trained.offset[0])
    np.testing.assert_allclose(series.values[:, 0], expected, rtol=2e-7, atol=1e-3)
    rounding = 1e-3 + 1e-7 * abs(other - level)  # of float32, far from the level of training
    np.testing.assert_allclose(series.exact[:, 0], other + WAVES[:, 0], rtol=0, atol=rounding)


def test_aligning_twice_changes_nothing():
    series = named(("flow", "temp_C", "p_bar"), 2e7 + WAVES)
    once = aligned(series, NAMED)
    assert aligned(once, NAMED) is once


def test_another_step_draws_a_warning():
    series = replace(named(), step=600.0)
    assert aligned(series, replace(NAMED, step=300.0)).notes[-1] == (
        "warning: the step is 10 min, but the detector was trained on 5 min: the scores are not comparable with"
        " those of training"
    )
    assert aligned(series, replace(NAMED, step=601.0)).notes == series.notes


def test_a_detector_chooses_its_columns_whatever_they_look_like():
    frame = pd.DataFrame({
        "host": ["web"] * T, "label": np.arange(T) % 2, "t": np.arange(T), "anomaly": WAVES[:, 0], "x": WAVES[:, 1],
        "comment": ["1", "ok"] * (T // 2),
    })  # fmt: skip
    required = Requirements(("anomaly", "label", "t"))
    series = from_dataframe(frame, required=required, scoring=True)
    assert series.channels == required.channels
    np.testing.assert_allclose(series.values[:, 0], WAVES[:, 0], rtol=1e-6)
    assert "not trained on 'host', 'x', 'comment'" in " ".join(series.notes)
    assert series.reading.left_out == ("host (not in training)", "x (not in training)", "comment (not in training)")


def test_a_headerless_file_is_matched_by_position(tmp_path):
    np.savetxt(tmp_path / "new.csv", WAVES, delimiter=",")
    series = load(tmp_path / "new.csv", required=NAMED, scoring=True)
    assert series.channels == NAMES
    np.testing.assert_allclose(series.values, WAVES, rtol=1e-6)


@pytest.mark.parametrize("values", [np.nan, 3.0])
def test_a_required_column_may_be_empty_or_constant_if_it_is_scored(tmp_path, values):
    pd.DataFrame({"a": values, "b": WAVES[:, 0]}).to_csv(tmp_path / "new.csv", index=False)
    series = load(tmp_path / "new.csv", required=Requirements(("a", "b")), scoring=True)
    assert series.channels == ("a", "b")
    assert np.isfinite(series.values).all()
    assert (series.missing is not None) == np.isnan(values)


def test_channels_of_a_long_table_are_matched_by_name():
    names = ["b", "a"]
    frame = pd.DataFrame({
        "time": np.repeat(pd.date_range("2026-01-01", periods=T, freq="min"), 2),
        "sensor": names * T,
        "value": WAVES[:, :2].ravel(),
    })  # fmt: skip
    series = from_dataframe(frame, required=Requirements(("a", "b")), scoring=True)
    assert series.channels == ("a", "b")
    np.testing.assert_allclose(series.values, WAVES[:, [1, 0]], rtol=1e-6)


COUNTER = 2**55 + np.cumsum(np.random.default_rng(0).integers(1, 9, T))


def test_increments_of_a_large_counter_are_exact(tmp_path):
    pd.DataFrame({"packets": COUNTER}).to_csv(tmp_path / "a.csv", index=False)
    difference = ReadOptions(difference=True)
    trained = load(tmp_path / "a.csv", options=difference)
    np.testing.assert_array_equal(trained.values[1:, 0], np.diff(COUNTER))
    assert trained.counters == ("packets",)
    plain = load(tmp_path / "a.csv")
    np.testing.assert_array_equal(np.diff(plain.values[:, 0].astype(float)), np.diff(COUNTER))
    assert "only rises, like a counter: --difference" in " ".join(plain.notes)


def test_counters_of_training_are_differenced_whatever_the_new_file_looks_like(tmp_path):
    still = COUNTER.copy()
    still[100:] = still[99]
    pd.DataFrame({"packets": still}).to_csv(tmp_path / "b.csv", index=False)
    required = Requirements(("packets",), counters=("packets",))
    series = load(tmp_path / "b.csv", required=required, scoring=True)
    np.testing.assert_array_equal(series.values[1:, 0], np.diff(still))
    with pytest.raises(InputError, match="increments of a counter"):
        aligned(load(tmp_path / "b.csv", scoring=True), required)
    levels = load(tmp_path / "b.csv", required=Requirements(("packets",)), scoring=True)
    assert levels.counters == () and "counter" not in " ".join(levels.notes)


def test_warnings_are_the_first_notes():
    series = replace(named(), step=600.0, notes=("the file has a BOM",))
    notes = aligned(series, replace(NAMED, step=300.0)).notes
    assert notes[0].startswith("warning: the step is") and notes[1:] == ("the file has a BOM",)


def test_values_far_outside_the_training_range_are_noted():
    required = Requirements.of(named())
    values = WAVES.copy()
    values[200:203, 2] = 9.0
    values[300, 0] = 1.5  # outside, but not far
    (note,) = aligned(named(values=values), required).notes
    assert note == "channel 'flow': 3 values far outside the training range -1 to 1, the first at position 200"
    assert aligned(named(), required).notes == ()


def test_the_training_range_is_in_data_units():
    required = Requirements.of(named(values=2e7 + WAVES))
    values = 2e7 + WAVES
    values[7, 1] += 50
    (note,) = [note for note in aligned(named(values=values), required).notes if "far outside" in note]
    assert "1 value far outside the training range 19999999 to 20000001, at position 7" in note


def timed(folder, name="new.csv", offset=""):
    times = pd.date_range("2024-04-05", periods=T, freq="h").strftime("%Y-%m-%d %H:%M:%S") + offset
    pd.DataFrame({"time": times, "a": WAVES[:, 0]}).to_csv(folder / name, index=False)
    return folder / name


def test_times_without_a_zone_are_read_in_that_of_training(tmp_path):
    required = Requirements.of(load(timed(tmp_path), options=ReadOptions(timezone="Europe/Berlin")))
    series = load(timed(tmp_path), required=required, scoring=True)
    assert (series.zone, series.time_text(0)) == ("Europe/Berlin", "2024-04-05 00:00:00+02:00")
    assert "times without a zone are read in Europe/Berlin, as in training; --timezone says otherwise" in series.notes
    other = load(timed(tmp_path), required=required, options=ReadOptions(timezone="Asia/Tokyo"), scoring=True)
    own = load(timed(tmp_path, offset="+01:00"), required=required, scoring=True)
    assert (other.zone, own.zone, other.notes, own.notes) == ("Asia/Tokyo", "+01:00", (), ())
