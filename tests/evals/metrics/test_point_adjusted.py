"""PA%K and point-adjusted F1 against hand-computed values, a naive reference and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive.evals_metrics import adjusted_f1

from ape.core.errors import InputError
from ape.evals.metrics import best_f1, pa_k, point_adjusted_f1

points = st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=1, max_size=40)


def test_pa_k_matches_hand_computed_values():
    labels, scores = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0], [8, 9, 7, 2, 1, 6, 5, 0, 0, 0]
    # The first event, of 4 points, is detected at score 9 for K < 25, at 7 (one false alarm) for K < 50, at 2 (three
    # false alarms) for K < 75, and at 1 for any K. The second, of 1 point, is only detected by flagging everything.
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
def test_pa_k_matches_naive_reference(percent, pairs):
    labels, scores = (np.array(column, int) for column in zip(*pairs, strict=True))
    assume(labels.any())
    assert pa_k(labels, scores).f1[percent] == pytest.approx(adjusted_f1(labels, scores, percent))


@settings(max_examples=40, deadline=None)
@given(points)
def test_pa_k_properties(pairs):
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
def test_random_scores_reach_the_measured_figures(length, begins, event, expected):
    labels = np.zeros(length, int)
    for begin in begins:
        labels[begin : begin + event] = 1
    result = point_adjusted_f1(labels, np.random.default_rng(99).random(length))
    assert result.random == pytest.approx(expected, abs=0.1)
    assert result.value < result.random + 0.2
    assert pa_k(labels, np.random.default_rng(99).random(length)).f1[100] < 0.2


def test_figure_of_random_scores_is_reproducible_and_depends_only_on_labels():
    labels = np.zeros(1000, int)
    labels[400:450] = 1
    first, second = (point_adjusted_f1(labels, scores) for scores in (labels, -labels))
    assert first.random == second.random and first.value == 1 > second.value
    assert point_adjusted_f1(labels, labels, seeds=[7]).random != first.random


def test_an_empty_list_of_seeds_is_refused():
    with pytest.raises(InputError, match="no seed"):
        point_adjusted_f1([0, 1], [0, 1], seeds=[])
