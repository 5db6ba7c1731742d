"""From a series to its events and their files, with quickly trained detectors."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ape.detectors
import ape.series
from ape.core.errors import InputError
from ape.monitor import AlertRate, answer, events_frame, read_events, threshold_for, write_events
from ape.monitor.alarms import YOUNG
from ape.monitor.event_files import COLUMNS
from ape.posttrain import DEFAULT, enhance
from ape.rules import broad_bank, build_context
from ape.rules.schema import Evidence
from ape.series.series import Gap

TRAIN_END, LENGTH, PERIOD = 800, 1300, 25
PLANTED = (1000, 1040)
pytestmark = pytest.mark.usefixtures("one_thread")


def waves(channels=1, planted=True):
    rng = np.random.default_rng(0)
    phase = np.arange(channels)
    values = np.sin(2 * np.pi * np.arange(LENGTH)[:, None] / PERIOD + phase)
    values += 0.05 * rng.standard_normal(values.shape)
    if planted:
        values[slice(*PLANTED), channels // 2] += 2
    return values


def trained(series):
    detector = ape.detectors.create("vae", window=25, device="cpu")
    detector.budget = replace(detector.budget, steps=100)
    return detector.fit(series, seed=0)


@pytest.fixture(scope="module")
def series():
    return ape.series.from_array(waves(), train_end=TRAIN_END)


@pytest.fixture(scope="module")
def detector(series):
    return trained(series)


@pytest.fixture(scope="module")
def threshold(detector, series):
    return threshold_for(detector, series)


@pytest.fixture(scope="module")
def found(detector, series, threshold):
    return answer(detector, series, threshold)


def dated(series, step="1min"):
    times = pd.date_range("2026-03-07", periods=series.length, freq=step).to_numpy()
    return replace(series, timestamps=times, step=60.0)


def test_the_planted_event_is_found_by_a_plain_detector(found):
    event = found.events[0]
    overlap = min(event.end, PLANTED[1]) - max(event.begin, PLANTED[0])
    assert overlap / (max(event.end, PLANTED[1]) - min(event.begin, PLANTED[0])) >= 0.5
    assert event.begin <= event.peak < event.end
    assert event.score == pytest.approx(found.score[event.peak]) and event.score >= found.threshold.level
    assert event.rules == () and event.rule is None and not event.ongoing
    assert "level 2" in event.reason and "like" not in event.reason


def test_events_are_the_worst_first_and_after_the_training_part(found):
    scores = [event.score for event in found.events]
    assert scores == sorted(scores, reverse=True)
    assert min(event.begin for event in found.events) >= TRAIN_END


def test_normal_data_have_no_more_alarms_than_promised(detector, threshold):
    normal = ape.series.from_array(waves(planted=False)[TRAIN_END:])
    assert len(answer(detector, normal, threshold).events) <= 2  # expected: 500 / 800


def test_the_culprit_of_many_channels_is_named():
    series = ape.series.from_array(waves(52), train_end=TRAIN_END)
    detector = trained(series)
    event = answer(detector, series, threshold_for(detector, series)).events[0]
    assert event.channels[0][0] == series.channels[26]
    assert event.findings[0].kind == "level"
    assert sum(share for _, share in event.channels) <= 1 + 1e-6


def test_a_series_without_a_training_part_is_compared_with_itself(detector, threshold):
    series = ape.series.from_array(waves()[TRAIN_END:])
    event = answer(detector, series, threshold).events[0]
    assert event.begin < PLANTED[1] - TRAIN_END and PLANTED[0] - TRAIN_END < event.end
    assert event.findings[0].kind == "level"


def test_an_event_that_lasts_is_still_going_on(detector, threshold):
    cut = (PLANTED[0] + PLANTED[1]) // 2 + YOUNG
    values = waves(planted=False)
    values[PLANTED[0] :] += 2
    event = answer(detector, ape.series.from_array(values[:cut], train_end=TRAIN_END), threshold).events[0]
    assert event.ongoing and event.end == cut
    assert event.reason.startswith(f"since position {event.begin}, still going on")


def test_no_event_crosses_a_gap(detector, series, threshold):
    middle = sum(PLANTED) // 2
    found = answer(detector, replace(series, gaps=(Gap(middle, 100, 100.0),)), threshold)
    assert all(event.end <= middle or middle <= event.begin for event in found.events)
    assert any(event.begin < middle for event in found.events)


def test_missing_values_raise_an_alarm_at_once(detector, series, threshold):
    missing = np.zeros(series.values.shape, dtype=bool)
    missing[-20:] = True
    event = answer(detector, replace(series, missing=missing), threshold).events[0]
    assert (event.begin, event.end, event.ongoing) == (LENGTH - 20, LENGTH, True)
    assert event.findings[0].kind == "missing"
    assert event.reason.endswith("no values for 20 points")


def test_a_dead_sensor_is_stuck_and_not_missing(detector, threshold):
    values = waves(planted=False)
    values[1100:1240] = values[1100]
    event = answer(detector, ape.series.from_array(values, train_end=TRAIN_END), threshold).events[0]
    assert 1085 <= event.begin <= 1100 and event.end == 1240
    assert event.findings[0].kind == "stuck"
    assert "stays at" in event.reason and "for 140 points" in event.reason


def test_another_rate_gives_other_events(detector, series, threshold):
    strict = answer(detector, series, threshold.at(AlertRate(0.001, "training part")))
    lax = answer(detector, series, threshold.at(AlertRate(20, "training part")))
    assert len(strict.events) <= len(lax.events)
    assert all(event.score >= strict.threshold.level for event in strict.events)


def test_the_files_agree(tmp_path, detector, series, threshold):
    found = answer(detector, dated(series), threshold)
    write_events(tmp_path, found)
    stored = read_events(tmp_path)
    frame = pd.read_csv(tmp_path / "events.csv")
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == len(stored["events"]) == len(found.events)
    first, event = stored["events"][0], found.events[0]
    assert (first["rank"], first["start"], first["end"]) == (1, event.begin, event.end)
    assert first["id"] == f"event-{event.peak}"
    assert first["start_time"] == str(pd.Timestamp("2026-03-07") + pd.Timedelta(minutes=event.begin))
    assert first["end_time"] == str(pd.Timestamp("2026-03-07") + pd.Timedelta(minutes=event.end - 1))
    assert (
        first["channels"][0]["finding"] == "level"
        and first["channels"][0]["usual_high"] < first["channels"][0]["value"]
    )
    assert first["rule"] is None and first["rules"] == []
    assert (stored["rows"], stored["train_end"], stored["step"]) == (LENGTH, TRAIN_END, 60.0)
    same = ["rank", "id", "start", "end", "peak", "start_time", "expected_every", "reason"]
    assert [{name: record[name] for name in same} for record in stored["events"]] == frame[same].to_dict("records")
    assert frame.channels.tolist() == ["value"] * len(frame)
    assert events_frame(found)[same].equals(frame[same])


def test_positions_are_rows_of_the_file(tmp_path, detector, series, threshold):
    # The file lacks the rows of the points 900 to 904, which were filled.
    rows = np.delete(np.arange(LENGTH), np.arange(900, 905))
    found = answer(detector, dated(replace(series, point_of_row=rows)), threshold)
    write_events(tmp_path, found)
    stored, event = read_events(tmp_path), found.events[0]
    assert stored["rows"] == LENGTH - 5 and stored["train_end"] == TRAIN_END
    assert (stored["events"][0]["start"], stored["events"][0]["end"]) == (event.begin - 5, event.end - 5)
    assert stored["events"][0]["start_time"] == found.series.time_text(event.begin)


def test_a_series_without_an_event_has_files_too(tmp_path, detector, series, threshold):
    found = answer(detector, series, replace(threshold, level=1e6))
    write_events(tmp_path, found)
    assert found.events == () and read_events(tmp_path)["events"] == []
    assert (tmp_path / "events.csv").read_text().strip() == ",".join(COLUMNS)


@pytest.mark.parametrize("text", ["", "[]", "{}", '"events"', "null", '{"format": 9, "events": []}'])
def test_a_corrupt_file_gives_one_line(tmp_path, text):
    (tmp_path / "events.json").write_text(text)
    with pytest.raises(InputError, match="not a list of events") as error:
        read_events(tmp_path)
    assert "\n" not in str(error.value)


def test_a_wrong_field_is_named(tmp_path, found):
    write_events(tmp_path, found)
    stored = json.loads((tmp_path / "events.json").read_text())
    stored["events"][0]["start"] = "early"
    (tmp_path / "events.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"events\.0\.start"):
        read_events(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"start": 900, "end": 10},
        {"start": -1},
        {"channels": []},
        {"start_time": "2026-03-07 13:20:00"},
        {"rule": "level-jump"},
    ],
)
def test_fields_that_do_not_fit_together_give_one_line(tmp_path, found, change):
    write_events(tmp_path, found)
    stored = json.loads((tmp_path / "events.json").read_text())
    stored["events"][0] |= change
    (tmp_path / "events.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="not a list of events") as error:
        read_events(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_file_gives_one_line(tmp_path):
    with pytest.raises(InputError, match="no such list of events"):
        read_events(tmp_path)


@pytest.mark.extended
def test_an_enhanced_detector_names_the_rule_and_its_evidence(tmp_path, series, detector):
    bank = broad_bank(build_context(series), ["level_shift", "noise_burst"])
    bank.rules[0].evidence = [Evidence(kind="text", id="text", line=3, quote="The level jumps.")]
    enhanced = enhance(detector, bank, series, recipe=replace(DEFAULT, steps=40, joint_steps=5)).candidate
    found = answer(enhanced, series, threshold_for(enhanced, series), text="notes.txt")
    event = found.events[0]
    assert event.begin < PLANTED[1] and PLANTED[0] < event.end
    assert sum(probability for _, probability in event.rules) == pytest.approx(1, abs=1e-3)
    write_events(tmp_path, found)
    stored = read_events(tmp_path)["events"][0]
    named = [rule for rule in stored["rules"] if rule["rule"] == bank.rules[0].id]
    assert named and named[0]["evidence"][0]["quote"] == "The level jumps."
    if event.rules[0][0] == bank.rules[0].id and event.rules[0][1] >= 0.5:
        assert 'line 3 of notes.txt: "The level jumps."' in event.reason
    missing = np.zeros(series.values.shape, dtype=bool)
    missing[-30:] = True  # nothing was measured that could be like a rule
    last = next(
        event for event in answer(enhanced, replace(series, missing=missing), found.threshold).events if event.ongoing
    )
    assert last.findings[0].kind == "missing" and last.rules == () and "like" not in last.reason
