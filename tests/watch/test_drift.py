"""Data that have moved away from those of training are reported once, with a picture."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from ape.monitor import Threshold
from ape.posttrain import load
from ape.watch.drift import MANY, DriftWatch
from ape.watch.scorer import LiveScorer

ROWS, CHANGE = 4000, 1500


@pytest.fixture(scope="module")
def watched(watched_run, rows_of, values_of, tmp_path_factory):
    """Return a function that watches values [n] with the plain detector, and returns the records and the picture."""
    folder = watched_run.folder / "detector"
    detector, threshold = load(folder), Threshold.load(folder)

    def watch(values, cuts=(), restart=False):
        picture = tmp_path_factory.mktemp("drift") / "drift.png"
        rows, records = rows_of(values), []
        scorer = LiveScorer(detector, threshold, every=100)
        drift = DriftWatch(scorer, "pump", picture)
        for begin, end in pairwise([0, *cuts, len(rows)]):
            for judged in scorer.add(rows.take(slice(begin, end))):
                records += drift.add(judged)
            if restart:
                scorer = LiveScorer(detector, threshold, 100, scorer.state())
                drift = DriftWatch(scorer, "pump", picture, json.loads(json.dumps(drift.state())))
        return records, picture

    return watch


@pytest.fixture(scope="module")
def normal(values_of):
    return values_of(ROWS, seed=3)


def test_normal_data_are_not_told(watched, normal):
    records, picture = watched(normal)
    assert records == [] and not picture.exists()


def test_a_level_that_stays_is_told_once(watched, normal):
    (record,), picture = watched(np.where(np.arange(ROWS) < CHANGE, normal, normal + 12))
    assert (record.state, record.sequence, record.ongoing) == ("drift", 0, True)
    assert CHANGE + MANY * 128 - 128 <= record.end <= CHANGE + (MANY + 2) * 128
    assert CHANGE - 128 <= record.start <= CHANGE + 128 and record.start_time in record.reason
    assert [share["channel"] for share in record.channels] == ["load"] and "'load' are outside of" in record.reason
    assert picture.read_bytes().startswith(b"\x89PNG") and record.picture == str(picture)


def test_a_short_event_is_no_drift(watched, normal):
    values = normal.copy()
    values[CHANGE : CHANGE + 500] += 12
    assert watched(values)[0] == []


def test_a_second_change_is_told_again(watched, normal):
    values = normal.copy()
    values[:1400] += 12
    values[2900:] += 12
    assert len(watched(values)[0]) == 2


def test_restarts_change_nothing(watched, normal):
    values = np.where(np.arange(ROWS) < CHANGE, normal, normal + 12)
    expected, first = watched(values)
    found, second = watched(values, [150, 1777, 2600], restart=True)
    assert [(record.end, record.reason.split(" Picture")[0]) for record in found] == [
        (record.end, record.reason.split(" Picture")[0]) for record in expected
    ]
    assert first.read_bytes() == second.read_bytes()
