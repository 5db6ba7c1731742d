"""PA%K and point-adjusted F1 by hand-worked numbers, a naive one from the definition and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.evals.metrics import best_f1, pa_k, point_adjusted_f1

points = st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=1, max_size=40)


def naive(labels, scores, percent):
    """Best F1 with events adjusted of which more than so many percent are flagged, threshold by threshold."""
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0)).reshape(-1, 2)
    best = 0
    for threshold in set(scores):
        flagged = scores >= threshold
        for begin, end in edges:
            if 100 * flagged[begin:end].sum() > percent * (end - begin):
                flagged[begin:end] = True
        best = max(best, 2 * (flagged & (labels == 1)).sum() / (flagged.sum() + labels.sum()))
    return best


def test_by_hand():
    labels, scores = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0], [8, 9, 7, 2, 1, 6, 5, 0, 0, 0]
    # The first event of 4 counts at score 9 while K < 25, at 7 (one false alarm) while K < 50, at 2 (three) while
    # K < 75, and wholly at 1. The second, of 1, only comes with everything.
    f1 = pa_k(labels, scores).f1
    everything = 2 * 5 / (5 + 10)
    assert f1[0] == f1[24] == pytest.approx(2 * 4 / (4 + 5))
    assert f1[25] == f1[49] == pytest.approx(2 * 4 / (4 + 1 + 5))
    assert f1[50] == f1[74] == pytest.approx(max(2 * 4 / (4 + 3 + 5), everything))
    assert f1[75] == f1[100] == pytest.approx(max(2 * 4 / (4 + 3 + 5), everything))
    assert pa_k(labels, scores).area == pytest.approx(np.trapezoid(f1, dx=0.01))
    assert point_adjusted_f1(labels, scores).value == f1[0]


@pytest.mark.parametrize("percent", [0, 1, 20, 25, 33, 50, 75, 99, 100])
@settings(max_examples=25, deadline=None)
@given(pairs=points)
def test_agrees_with_a_naive_one(percent, pairs):
    labels, scores = (np.array(column, int) for column in zip(*pairs, strict=True))
    assume(labels.any())
    assert pa_k(labels, scores).f1[percent] == pytest.approx(naive(labels, scores, percent))


@settings(max_examples=40, deadline=None)
@given(points)
def test_properties(pairs):
    labels, scores = (np.array(column, int) for column in zip(*pairs, strict=True))
    assume(labels.any())
    area, f1 = pa_k(labels, scores)
    assert len(f1) == 101 and 0 <= f1[100] <= area + 1e-12 <= f1[0] + 2e-12 <= 1 + 2e-12
    assert np.all(np.diff(f1) <= 1e-12)
    assert f1[100] == pytest.approx(best_f1(labels, scores))
    assert point_adjusted_f1(labels, np.exp(scores / 5.0)).value == pytest.approx(f1[0])
    assert pa_k(labels, scores + 100 * labels).area == pytest.approx(1)


@pytest.mark.parametrize(
    ("length", "begins", "event", "expected"),
    [(20_000, [9000], 150, 0.764), (20_000, [9000], 1000, 0.990), (28_000, range(2000, 28_000, 3500), 150, 0.867)],
)
def test_random_scores_reach_what_was_measured_for_them(length, begins, event, expected):
    labels = np.zeros(length, int)
    for begin in begins:
        labels[begin : begin + event] = 1
    found = point_adjusted_f1(labels, np.random.default_rng(99).random(length))
    assert found.random == pytest.approx(expected, abs=0.1)
    assert found.value < found.random + 0.2
    assert pa_k(labels, np.random.default_rng(99).random(length)).f1[100] < 0.2


def test_the_random_row_is_the_same_each_time_and_hangs_on_labels_alone():
    labels = np.zeros(1000, int)
    labels[400:450] = 1
    first, second = (point_adjusted_f1(labels, scores) for scores in (labels, -labels))
    assert first.random == second.random and first.value == 1 > second.value
    assert point_adjusted_f1(labels, labels, seeds=[7]).random != first.random


def test_refuses_to_leave_out_the_random_row():
    with pytest.raises(InputError, match="no seed"):
        point_adjusted_f1([0, 1], [0, 1], seeds=[])
