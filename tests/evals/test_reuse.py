"""Reuse: one result for all series with the same training part."""

from __future__ import annotations

import numpy as np

from ape.evals.reuse import once
from ape.series import from_array


def series(late=0.0, early=0.0, train_end=180):
    values = np.sin(np.arange(200) / 5)
    values[:180] += early
    values[190:] += late
    return from_array(values, train_end=train_end)


def test_a_result_is_made_once_for_series_that_differ_after_the_training_part():
    made = []

    def results(*given, what="fit"):
        return [once(each, what, lambda: made.append(1) or len(made))[0] for each in given]

    assert results(series(), series(late=1.0)) == [1, 1]
    assert results(series(), what="other") == [2] and results(series(late=2.0)) == [1]
    assert results(series(early=1.0), series(train_end=179), series()) == [3, 4, 5]


def test_the_seconds_are_those_of_the_first_time():
    first, again = (once(series(late=late), "sum", lambda: sum(range(10**5))) for late in (0, 1))
    assert first[1] == again[1] > 0
