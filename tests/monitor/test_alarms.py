"""Where scores raise alarms in a series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ape.monitor.alarms import YOUNG, alarms, young_points
from ape.series import from_array
from ape.series.series import Gap

LENGTH = 1000


def series_of(train_end):
    return from_array(np.sin(np.arange(LENGTH) / 5), train_end=train_end)


def score_of(*spans):
    """Score 4 in spans (begin, end), else 0."""
    score = np.zeros(LENGTH)
    for begin, end in spans:
        score[begin:end] = 4.0
    return score


def raised(series, score):
    return [(span.begin, span.end) for span in alarms(series, score, 3.0)]


def test_alarms_are_raised_after_the_training_part_or_everywhere():
    score = score_of((100, 110), (490, 510))
    assert raised(series_of(500), score) == [(500, 510)]
    assert raised(series_of(None), score) == [(100, 110), (490, 510)]


def test_alarms_end_at_gaps_and_begin_where_enough_points_are_known():
    series = replace(series_of(500), gaps=(Gap(700, 20, 20.0),))
    assert raised(series, score_of((690, 710), (980, 1000))) == [(700, 710)]
    assert raised(series, score_of((660, 710), (980, 1000))) == [(660, 700), (700, 710)]


def test_young_points_are_the_last_of_each_stretch():
    young = young_points(replace(series_of(500), gaps=(Gap(600, 5, 5.0),)))
    assert np.flatnonzero(young).tolist() == [*range(600 - YOUNG, 600), *range(LENGTH - YOUNG, LENGTH)]
