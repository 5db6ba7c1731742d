"""Thresholds: what rate of false alarms they promise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.monitor import AlertRate, Threshold
from ape.monitor.threshold import TRAINING, default_rate, level_for
from ape.posttrain.assessment import Assessment
from ape.posttrain.discriminator.tail import Tail

DAY = 86_400


@pytest.mark.parametrize(
    ("rate", "step", "points"),
    [
        (AlertRate(1, "week"), 60.0, 10_080),
        (AlertRate(2, "week"), 60.0, 5_040),
        (AlertRate(1, "day"), 600.0, 144),
        (AlertRate(0.5, "day"), 600.0, 288),
        (AlertRate(1, TRAINING), None, 4_000),
        (AlertRate(4, TRAINING), 60.0, 1_000),
    ],
)
def test_the_level_is_reached_by_one_point_in_the_time_between_two_alarms(rate, step, points):
    assert 10 ** level_for(rate, step, 4_000) == pytest.approx(points)


def test_the_default_is_a_week_or_the_training_part():
    week = 7 * 24 * 60
    assert default_rate(60.0, week) == AlertRate(1, "week")
    assert default_rate(60.0, week - 1) == AlertRate(1, TRAINING)
    assert default_rate(None, 10**6) == AlertRate(1, TRAINING)


@pytest.mark.parametrize(
    ("rate", "step", "what"),
    [
        (AlertRate(0, "day"), 60.0, "0 false alarms"),
        (AlertRate(-1, "day"), 60.0, "-1 false alarms"),
        (AlertRate(float("nan"), "day"), 60.0, "nan false alarms"),
        (AlertRate(1, "day"), None, "the time between points is not known"),
        (AlertRate(1, "day"), DAY / 10, "1 a day is more than one alarm in 20 points"),
    ],
)
def test_rates_without_a_level_are_refused(rate, step, what):
    with pytest.raises(InputError, match=what) as error:
        level_for(rate, step, 4_000)
    assert "--alerts-per" in str(error.value)


@given(st.floats(0.01, 10), st.floats(1.01, 5))
def test_fewer_accepted_alarms_give_a_higher_level(number, factor):
    step = 60.0
    assert level_for(AlertRate(number * factor, "day"), step, 0) < level_for(AlertRate(number, "day"), step, 0)


@pytest.mark.parametrize("errors", [None, Tail(np.linspace(0, 1, 1000), 0.1)])
def test_a_saved_threshold_is_the_same(tmp_path, errors):
    threshold = Threshold(3.1, AlertRate(2, "day"), 60.0, 4_000, errors)
    threshold.save(tmp_path)
    loaded = Threshold.load(tmp_path)
    assert replace(loaded, errors=None) == replace(threshold, errors=None)
    score = np.array([0.5, 1.2], np.float32)
    np.testing.assert_array_equal(loaded.score(assessment(score)), threshold.score(assessment(score)))


def assessment(score):
    return Assessment(score, np.ones((len(score), 1), np.float32))


def test_errors_of_a_plain_detector_get_the_unit_of_scores():
    threshold = Threshold(2.0, AlertRate(1, TRAINING), None, 100, Tail(np.linspace(0, 0.95, 1000), 0.1))
    low, beyond = threshold.score(assessment(np.array([0.475, 0.95 + 0.1 * np.log(10)])))
    assert low == pytest.approx(-np.log10(0.525), abs=1e-3)  # 52.5 % of the normal errors are as high
    assert beyond == pytest.approx(-np.log10(0.05) + 1, abs=2e-3)  # ten times fewer than above the last quantile


def test_another_rate_keeps_what_was_measured():
    threshold = Threshold(1.0, AlertRate(1, TRAINING), 60.0, 4_000, Tail(np.linspace(0, 1, 1000), 0.1))
    other = threshold.at(AlertRate(1, "day"))
    assert other.level == pytest.approx(np.log10(1440))
    assert (other.step, other.trained, other.errors) == (60.0, 4_000, threshold.errors)
    assert threshold.at(None).rate == AlertRate(1, TRAINING)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1, "level": "high"}', '"threshold"', "null", "{" * 20],
)
def test_a_corrupt_file_gives_one_line(tmp_path, text):
    (tmp_path / "threshold.json").write_text(text)
    with pytest.raises(InputError, match="threshold") as error:
        Threshold.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"level": None},
        {"level": float("nan")},
        {"level": -2},
        {"trained": 10**30},
        {"errors": {"quantiles": [2, 1], "excess": 1}},
        {"alerts": {"number": 1}},
        {"alerts": {"number": 1, "per": "month"}},
        {"trained": -3},
        {"step": "often"},
        {"errors": {"quantiles": [0, "x"], "excess": 1}},
        {"errors": {"quantiles": [], "excess": 1}},
        {"format": 2},
    ],
)
def test_a_wrong_field_gives_one_line(tmp_path, change):
    Threshold(3.1, AlertRate(2, "day"), 60.0, 4_000).save(tmp_path)
    path = tmp_path / "threshold.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match="not a threshold"):
        Threshold.load(tmp_path)


def test_a_missing_file_gives_one_line(tmp_path):
    with pytest.raises(InputError, match="no such threshold"):
        Threshold.load(tmp_path)


def test_rates_in_words():
    assert str(AlertRate(1, "week")) == "1 a week"
    assert str(AlertRate(0.5, TRAINING)) == "0.5 in a time as long as the training part"
