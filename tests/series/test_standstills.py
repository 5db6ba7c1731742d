"""Channels that stand still for much longer than in training."""

from __future__ import annotations

import numpy as np
import pytest

from ape.series import Requirements, aligned, from_array
from ape.series.standstills import normal_standstills, usual_changes

T = 600
WAVE = np.sin(np.arange(T) / 7.0) + 0.01 * np.random.default_rng(0).standard_normal(T)


def still(begin, end, level=None):
    values = WAVE.copy()
    values[begin:end] = values[begin] if level is None else level
    return values


def dead(values, usual=(1,)):
    series = aligned(from_array(values, scoring=True), Requirements(standstills=usual, changes=(0.1,)))
    return [] if series.missing is None else np.flatnonzero(series.missing[:, 0]).tolist(), series.notes


def test_the_longest_standstill_is_that_of_the_training_part():
    values = still(50, 60)
    values[400:500] = 2.0
    assert normal_standstills(from_array(values, train_end=300)) == (10,)


def test_a_channel_that_mostly_stands_still_may_do_so_for_longer():
    idle = WAVE.copy()
    idle[60:120] = idle[150:300] = 0.0
    assert normal_standstills(from_array(np.stack([WAVE, idle], 1), train_end=300)) == (1, 150 * 300 // 90)
    late = np.concatenate([idle, WAVE, np.zeros(900)])
    series = from_array(np.stack([late, np.tile(WAVE, 4)[: len(late)]], 1), train_end=300)
    assert aligned(series, Requirements.of(series)).missing is None


@pytest.mark.parametrize(
    ("length", "usual", "found"), [(31, 1, 0), (32, 1, 32), (40, 10, 0), (41, 10, 41), (500, 130, 0)]
)
def test_a_standstill_is_compared_with_training(length, usual, found):
    values = still(50, 50 + length)
    where, notes = dead(values, (usual,))
    assert where == list(range(50, 50 + found))
    assert any("stands still" in note for note in notes) == bool(found)


def test_standstills_of_training_are_never_dead():
    series = from_array(np.round(WAVE))
    assert aligned(series, Requirements.of(series)).missing is None


def test_the_usual_change_is_the_median_of_the_changes():
    values = np.repeat([0.0, 1.0, 3.0, 6.0] * 100, 2)
    assert usual_changes(from_array(np.stack([values, np.arange(800) >= 700], 1), train_end=600)) == (2.0, 0.0)


def test_a_constant_file_is_dead():
    where, _notes = dead(np.full(T, 3.0))
    assert where == list(range(T))


def test_rounding_far_from_the_offset_is_no_standstill():
    slow = np.sin(np.arange(T) / 70.0)
    where, _notes = dead(slow - 3e7)
    assert where == []


def test_held_values_are_missing_but_no_standstill():
    values = WAVE.copy()
    values[100:200] = np.nan
    where, notes = dead(values)
    assert where == list(range(100, 200))
    assert not any("stands still" in note for note in notes)


def test_the_note_says_how_long_and_from_where_a_channel_stands_still():
    values = still(50, 90)
    values[120:170] = values[120]
    assert dead(values)[1] == (
        "channel 'value' stands still for 40 points from position 50 and for 50 points from position 120: its values"
        " are scored as missing",
    )
    for begin in (200, 250, 300, 350):
        values[begin : begin + 40] = values[begin]
    assert "120, for 40 points from position 200 and 3 more times: its" in dead(values)[1][0]
