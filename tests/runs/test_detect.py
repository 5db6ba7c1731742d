"""From data to events in one call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support import short_training

import ape
from ape.core.errors import InputError
from ape.monitor import AlertRate, Threshold
from ape.monitor.event_files import COLUMNS
from ape.runs.detect import as_rate, as_series

FAULT = slice(900, 940)
TRAINED = 700


def readings() -> pd.DataFrame:
    """Flow and pressure every ten minutes; the level of the flow jumps for a while."""
    rng, time = np.random.default_rng(0), np.arange(1100)
    values = np.stack([np.sin(time / 8), 20 + np.cos(time / 8)], axis=1) + 0.05 * rng.normal(size=(1100, 2))
    values[FAULT, 0] += 1.5
    times = pd.date_range("2026-03-01", periods=1100, freq="10min", tz="Europe/Berlin", name="when")
    return pd.DataFrame(values, times, ["flow", "pressure"])


@pytest.fixture(scope="module")
def found():
    with short_training(150):
        return ape.detect(readings(), train_end=TRAINED, post_train=False)


def test_the_worst_event_is_the_fault_at_its_channel(found):
    worst = found.events.iloc[0]
    assert abs(worst["start"] - FAULT.start) <= 8 and abs(worst["end"] - FAULT.stop) <= 8
    assert worst["channels"] == "flow" and "flow" in worst["reason"]
    assert worst["reason"] in str(found)
    assert (found.events["start"] >= TRAINED).all()


def test_events_have_the_columns_of_the_file(found):
    assert tuple(found.events.columns) == COLUMNS
    assert list(found.events["rank"]) == list(range(1, len(found.answer.events) + 1))


def test_scores_have_a_line_for_each_row_and_the_times_of_the_data(found):
    scores, data = found.scores, readings()
    assert list(scores.columns) == ["score", "channel flow", "channel pressure"]
    assert list(scores.index) == list(data.index)
    parts = scores[["channel flow", "channel pressure"]].sum(axis=1)
    np.testing.assert_allclose(parts, scores["score"], rtol=1e-4)
    assert scores["score"].to_numpy()[FAULT].max() == scores["score"].max()


def test_without_post_training_nothing_is_mined(found):
    assert found.bank is None and found.decision == ""


def test_a_saved_detector_keeps_its_threshold(found, tmp_path):
    found.save(tmp_path / "flow")
    detector, threshold = ape.posttrain.load(tmp_path / "flow"), Threshold.load(str(tmp_path / "flow"))
    assert threshold.level == found.answer.threshold.level
    again = ape.monitor.answer(detector, as_series(readings(), TRAINED), threshold)
    assert [(event.begin, event.end) for event in again.events] == [
        (event.begin, event.end) for event in found.answer.events
    ]


def test_every_kind_of_data_gives_the_same_values(tmp_path):
    frame = readings()
    frame.to_csv(tmp_path / "flow.csv")
    values = as_series(frame).values
    kinds = [tmp_path / "flow.csv", str(tmp_path / "flow.csv"), frame.to_numpy(), frame.to_numpy().tolist()]
    for data in kinds:
        np.testing.assert_allclose(as_series(data).values, values, rtol=1e-5)
    np.testing.assert_allclose(as_series(frame["flow"]).values, values[:, :1], rtol=1e-5)
    series = as_series(frame, TRAINED)
    assert as_series(series) is series and series.train_end == TRAINED


def test_scores_without_times_are_by_position(found):
    answer = found.answer
    timeless = replace(answer.series, timestamps=None, zone=None, clock_offset=None)
    scores = replace(found, answer=replace(answer, series=timeless)).scores
    assert list(scores.index) == list(range(1100))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "missing.csv"}, "no such file"),
        ({"backbone": "gru"}, "no backbone 'gru'"),
        ({"alerts_per": "month"}, "no rate of alarms"),
        ({"alerts_per": "day=100"}, "accept fewer"),
        ({"train_end": 5000}, "out of range"),
        ({"data": {"flow": [1, 2]}}, "no data frame"),
        ({"data": 3}, "no data frame"),
        ({"data": [[1.0, 2.0], [3.0]]}, "rows of different lengths"),
        ({"data": []}, "shape"),
        ({"alerts_per": 3}, "a int is no rate"),
        ({"train_end": 0.6}, "a float is no end"),
    ],
)
def test_bad_input_is_refused_in_one_line_before_training(arguments, message, monkeypatch):
    monkeypatch.setattr("ape.runs.detect.train", None)
    with pytest.raises(InputError, match=message) as raised:
        ape.detect(**{"data": readings(), **arguments})
    assert "\n" not in str(raised.value)


def test_a_missing_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read the text"):
        ape.detect(readings(), text=tmp_path / "notes.txt")


def test_a_series_keeps_its_own_training_part():
    with pytest.raises(InputError, match="has its own training part"):
        ape.detect(as_series(readings(), TRAINED), train_end=600)


def test_rates_by_time_need_times():
    series = as_series(readings().to_numpy(), TRAINED)
    with pytest.raises(InputError, match="time between points"):
        as_rate("week", series)
    assert as_rate("training=2", series) == AlertRate(2, "training part")
    assert as_rate(None, series) is None


@pytest.mark.extended
def test_events_of_an_enhanced_detector_quote_the_text(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("Two sensors.\nThe flow jumps to a higher level for 30 to 60 samples.\n", encoding="utf-8")
    with short_training(150):
        found = ape.detect(readings(), train_end=TRAINED, text=notes)
    worst = found.events.iloc[0]
    assert found.bank is not None and worst["rule"] in [rule.id for rule in found.bank.rules]
    assert worst["rule_probability"] >= 0.5 and "of notes.txt" in worst["reason"]
    assert found.decision.startswith("kept")
