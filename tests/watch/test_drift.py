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
    """Return a function that watches values [n] with the plain detector, and returns the notes and the picture."""
    folder = watched_run.folder / "detector"
    detector, threshold = load(folder), Threshold.load(folder)

    def watch(values, cuts=(), restart=False):
        picture = tmp_path_factory.mktemp("drift") / "drift.png"
        rows, notes = rows_of(values), []
        scorer = LiveScorer(detector, threshold, every=100)
        drift = DriftWatch(scorer, picture)
        for begin, end in pairwise([0, *cuts, len(rows)]):
            for judged in scorer.add(rows.take(slice(begin, end))):
                notes += drift.add(judged)
            if restart:
                scorer = LiveScorer(detector, threshold, 100, scorer.state())
                drift = DriftWatch(scorer, picture, json.loads(json.dumps(drift.state())))
        return notes, picture

    return watch


@pytest.fixture(scope="module")
def normal(values_of):
    return values_of(ROWS, seed=3)


def test_normal_data_are_not_told(watched, normal):
    notes, picture = watched(normal)
    assert notes == [] and not picture.exists()


def test_a_level_that_stays_is_told_once(watched, normal):
    notes, picture = watched(np.where(np.arange(ROWS) < CHANGE, normal, normal + 12))
    assert [note.kind for note in notes] == ["drift"]
    assert "'load' are outside of" in notes[0].text and "2026-03-03 01:" not in notes[0].text
    assert CHANGE + MANY * 128 - 128 <= notes[0].row <= CHANGE + (MANY + 2) * 128
    assert picture.read_bytes().startswith(b"\x89PNG") and str(picture) in notes[0].text


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
    assert [(note.row, note.text.split(" Picture")[0]) for note in found] == [
        (note.row, note.text.split(" Picture")[0]) for note in expected
    ]
    assert first.read_bytes() == second.read_bytes()
