"""Events while scores arrive: hand-made scores, and a detector whose closed events are those of the whole series."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.monitor import AlertRate, Threshold, answer
from ape.monitor.event_files import event_records
from ape.posttrain import load
from ape.watch.describing import Described, Describer
from ape.watch.events import EventTracker, Record
from ape.watch.rows import Rows
from ape.watch.scorer import Judged, LiveScorer

THRESHOLD = Threshold(2.5, AlertRate(1, "training part"), 60.0, 1000)
LATENCY = 50


def described(begin, end):
    """An event that is exactly where the scores are high."""
    event = {
        "start": begin,
        "end": end,
        "peak": begin,
        "ongoing": False,
        "score": 4.0,
        "channels": [],
        "reason": "high",
    }
    nothing = dict.fromkeys(["start_time", "end_time", "peak_time", "expected_every", "rule", "rule_probability"])
    return Described(0, {**event, **nothing})


def scores_of(score, known, wrong=()):
    """What is known after each of some rows; provisional scores may be ``wrong``: a slice and a score."""
    done, found = 0, []
    for count in known:
        final = max(0, count - LATENCY)
        newest = score[final:count].copy()
        for where, value in wrong:
            newest[max(where.start - final, 0) : max(where.stop - final, 0)] = value
        nothing = np.zeros(count - done, dtype=bool)
        found.append(Judged(count, done, score[done:final], newest, nothing, ()))
        done = final
    return found


def reported(score, known, describe=described, wrong=()):
    tracker = EventTracker("pump", THRESHOLD, describe)
    return [(each.known, record) for each in scores_of(score, known, wrong) for record in tracker.add(each)]


def brief(found):
    return [(known, record.id, record.sequence, record.state, record.start, record.end) for known, record in found]


def flat(length=600):
    return np.ones(length, np.float32)


def test_an_event_opens_grows_and_closes():
    score = flat()
    score[100:180] = 4.0
    # It opens once a high score has 32 rows after it, is reported again at twice the length (34), and when 48 rows have
    # passed since its end. It closes when half of its length (40 rows) is final after its end.
    assert brief(reported(score, range(1, 601))) == [
        (133, "pump-100", 0, "open", 100, 133),
        (166, "pump-100", 1, "grow", 100, 166),
        (270, "pump-100", 2, "close", 100, 180),
    ]


def test_an_event_that_seems_to_be_over_is_told_again():
    score = flat()
    score[100:140] = 4.0

    def describe(begin, end):
        found = described(begin, end)
        return Described(0, {**found.event, "ongoing": end < 140})

    found = reported(score, range(1, 601), describe)
    assert [(known, record.state, record.ongoing) for known, record in found] == [
        (133, "open", True),
        (188, "grow", False),
        (210, "close", False),
    ]


def test_a_higher_score_is_told():
    score = flat()
    score[100:120], score[130:140] = 4.0, 6.0
    # The second run is near enough to be joined, and tells 32 rows after its begin.
    assert brief(reported(score, range(1, 601))) == [
        (133, "pump-100", 0, "open", 100, 120),
        (163, "pump-100", 1, "grow", 100, 140),
        (210, "pump-100", 2, "close", 100, 140),
    ]


def test_a_provisional_score_has_to_be_higher_to_open_an_event():
    score = flat()
    score[100:120] = 3.9  # the level is 2.5, and 4 for a provisional score
    assert reported(score, range(1, 601))[0][0] == 100 + LATENCY + 1  # final
    score[100:120] = 4.1
    assert reported(score, range(1, 601))[0][0] == 100 + 33


def test_an_open_event_goes_on_with_provisional_scores_at_the_level():
    score = flat()
    score[100:190] = 3.0
    found = reported(score, range(1, 601), wrong=[(slice(100, 110), 4.5)])
    # It is told again at twice the length, with provisional scores that would open no event.
    assert brief(found) == [
        (133, "pump-100", 0, "open", 100, 133),
        (166, "pump-100", 1, "grow", 100, 166),
        (285, "pump-100", 2, "close", 100, 190),
    ]


def test_provisional_scores_that_were_wrong_are_withdrawn():
    found = reported(flat(), range(1, 601), wrong=[(slice(100, 110), 5.0)])
    assert [(known, record.state) for known, record in found] == [(133, "open"), (176, "withdraw")]
    assert found[1][1].sequence == 1 and "none is high enough" in found[1][1].reason


def test_what_a_benign_rule_keeps_quiet_is_not_told():
    score = flat()
    score[100:140] = 4.0
    assert reported(score, range(1, 601), lambda begin, end: Described(0, None, "planned work")) == []


def test_an_event_that_becomes_quiet_is_withdrawn():
    score = flat()
    score[100:140] = 4.0
    found = reported(
        score, range(1, 601), lambda begin, end: described(begin, end) if end < 140 else Described(0, None, "x")
    )
    assert [record.state for _, record in found] == ["open", "withdraw"] and found[1][1].reason == "withdrawn: x"


def test_events_that_become_one_leave_one():
    score = flat()
    score[100:110] = score[150:160] = 4.0
    score[110:150] = 3.5
    found = reported(score, range(1, 601), wrong=[(slice(110, 150), 1.0)])
    assert [(known, record.id, record.state) for known, record in found] == [
        (133, "pump-100", "open"),
        (183, "pump-150", "open"),
        (184, "pump-150", "withdraw"),  # 16 rows are between the two: they are joined
        (240, "pump-100", "close"),
    ]
    assert "part of pump-100" in found[2][1].reason


def test_a_restart_changes_nothing():
    score = flat(900)
    score[100:180], score[400:420], score[500:510] = 4.0, 9.0, 5.0
    judged = scores_of(score, range(1, 901, 3))
    whole = EventTracker("pump", THRESHOLD, described)
    expected = [record for each in judged for record in whole.add(each)]
    tracker, found = EventTracker("pump", THRESHOLD, described), []
    for each in judged:
        found += tracker.add(each)
        tracker = EventTracker("pump", THRESHOLD, described, json.loads(json.dumps(tracker.state())))
    assert found == expected and {record.state for record in found} == {"open", "grow", "close"}
    assert tracker.open == ()


def test_scores_of_long_ago_are_forgotten():
    tracker = EventTracker("pump", THRESHOLD, described)
    for each in scores_of(flat(20_000), range(100, 20_001, 100)):
        tracker.add(each)
    assert len(json.dumps(tracker.state())) < 25_000


def test_a_record_is_one_line():
    record = reported(np.where(np.arange(300) < 100, 1.0, 4.0).astype(np.float32), [200])[0][1]
    assert json.loads(record.line())["id"] == "pump-100" and "\n" not in record.line()


@pytest.fixture(scope="module")
def longer(watched_run, values_of, rows_of):
    """The new rows and 300 normal ones."""
    values = np.concatenate([watched_run.rows.values[:, 0], values_of(2400, seed=1)[2100:]])
    return rows_of(values)


def watched(detector, threshold, rows, every, cuts=(), restart=False):
    scorer = LiveScorer(detector, threshold, every)
    tracker = EventTracker("pump", threshold, Describer(scorer))
    found = []
    for begin, end in pairwise([0, *cuts, len(rows)]):
        for each in scorer.add(rows.take(slice(begin, end))):
            found += tracker.add(each)
        if restart:
            scorer = LiveScorer(detector, threshold, every, scorer.state())
            state = json.loads(json.dumps(tracker.state()))
            tracker = EventTracker("pump", threshold, Describer(scorer), state)
    return found


def test_closed_events_are_those_of_the_whole_series(watched_run, longer):
    detector, threshold = watched_run.detector, watched_run.threshold
    found = watched(detector, threshold, longer, every=50)
    closed = [record for record in found if record.state == "close"]
    scorer = LiveScorer(detector, threshold, every=50)
    list(scorer.add(longer))
    final = len(longer) - detector.latency - 64
    whole = event_records(answer(detector, scorer.series(), threshold))
    expected = [event for event in whole if event["end"] <= final]
    assert len(closed) == len(expected) > 0
    for record, event in zip(sorted(closed, key=lambda each: -each.score), expected, strict=True):
        same = {name: event[name] for name in Record.__dataclass_fields__ if name in event and name != "id"}
        assert {name: getattr(record, name) for name in same} == same
    first = next(record for record in found if record.id == closed[0].id)
    assert first.state == "open" and (closed[0].start, closed[0].end) == (300, 340)


@pytest.mark.parametrize("kind", [pytest.param("enhanced", marks=pytest.mark.extended), "detector"])
@settings(max_examples=2)
@given(cuts=st.lists(st.integers(0, 700), max_size=3).map(sorted))
def test_cuts_and_restarts_give_the_same_records(watched_run, longer, kind, cuts):
    folder, rows = watched_run.folder / kind, longer.take(slice(0, 700))
    detector, threshold = load(folder), Threshold.load(folder)
    expected = watched(detector, threshold, rows, every=100)
    assert watched(detector, threshold, rows, 100, cuts, restart=True) == expected and expected


def test_a_sensor_that_falls_silent_is_told_at_once(watched_run, longer):
    values = longer.values.copy()
    values[200:230] = np.nan
    rows = Rows(values, longer.time, longer.gap, longer.filled)
    scorer = LiveScorer(watched_run.detector, watched_run.threshold, every=5)
    assert list(scorer.add(rows.take(slice(0, 205))))[-1].known == 200  # a short run is interpolated later
    tracker = EventTracker("pump", watched_run.threshold, Describer(scorer))
    records = [record for each in scorer.add(rows.take(slice(205, 215))) for record in tracker.add(each)]
    (silent,) = [record for record in records if record.start >= 200]
    assert (silent.state, silent.start) == ("open", 200) and "no values" in silent.reason


def test_missing_values_before_the_first_window_are_told(watched_run, longer):
    values = longer.values.copy()
    values[20:60] = np.nan
    rows = Rows(values, longer.time, longer.gap, longer.filled).take(slice(0, 60))
    found = watched(watched_run.detector, watched_run.threshold, rows, every=10)
    assert (found[0].state, found[0].start, found[0].channels[0]["channel"]) == ("open", 20, "load")
    assert found[0].start_time == str(pd.Timestamp(rows.time[20])) and "load: no values" in found[0].reason
