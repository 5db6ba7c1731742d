"""Alarms of scores, and false alarms against promised ones."""

from __future__ import annotations

import numpy as np
import pytest

from ape.evals.alarms import PROMISED, alarm_figures
from ape.series import from_array


def series_of(length, train_end):
    return from_array(np.sin(np.arange(length) / 5), train_end=train_end)


def score_of(length, *spans):
    """Score 0 everywhere but in spans (begin, end, score)."""
    score = np.zeros(length)
    for begin, end, high in spans:
        score[begin:end] = high
    return score


def test_figures_of_a_calibrated_score_by_hand():
    series, labels = series_of(3000, 1000), np.zeros(3000, bool)
    labels[2000:2100] = True
    # One alarm in 1000 points: from 3 on. Five: from 2.3 on; 20: from 1.7 on; 50: from 1.3 on.
    score = score_of(3000, (500, 510, 9), (1500, 1510, 2.4), (1700, 1720, 1.8), (2000, 2060, 3.5), (2500, 2540, 3.1))
    figures = alarm_figures(series, labels, score, calibrated=True)
    assert (figures["caught"], figures["fitting"], figures["pieces"]) == (1, 1, 1)
    assert figures["f1"] == pytest.approx(2 / 3)  # one of two alarms is false
    normal = 2000 - 120
    expected = {1: 1, 5: 2, 20: 3, 50: 3}
    assert tuple(expected) == PROMISED
    for number, false in expected.items():
        assert figures[f"false {number}"] == pytest.approx(false / (normal * number / 1000))


def test_too_many_for_a_short_training_part_and_undefined_figures_are_none():
    figures = alarm_figures(series_of(600, 300), np.zeros(600, bool), np.ones(600), calibrated=True)
    undefined = dict.fromkeys(("caught", "fitting", "f1", "pieces", "false 20", "false 50"))
    assert figures == undefined | {"covered": 0, "false 1": 0, "false 5": 0}


def test_other_scores_are_calibrated_on_the_training_part():
    series, labels = series_of(4000, 2000), np.zeros(4000, bool)
    score = np.random.default_rng(0).exponential(size=4000)
    score[3000:3020] = 60
    labels[3000:3020] = True
    figures = alarm_figures(series, labels, 1000 * score - 7, calibrated=False)
    assert figures["caught"] == figures["fitting"] == 1
    assert 0.2 < figures["false 20"] < 2  # new data are like those of the training part
    assert alarm_figures(series, labels, 1000 * score - 7, calibrated=True)["false 20"] != figures["false 20"]


def test_without_a_training_part_alarms_are_counted_everywhere():
    series, score = series_of(1000, None), score_of(1000, (100, 110, 5))
    assert alarm_figures(series, np.zeros(1000, bool), score, calibrated=True)["false 1"] == pytest.approx(1)
