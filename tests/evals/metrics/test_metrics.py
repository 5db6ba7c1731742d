"""Checks that all metrics share, and tests of average precision, ROC AUC, best F1 and UCR accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive import evals_metrics as naive

from ape.core.errors import InputError
from ape.evals.metrics import (
    affiliation,
    average_precision,
    best_f1,
    pa_k,
    point_adjusted_f1,
    roc_auc,
    ucr_accuracy,
    vus_pr,
    vus_roc,
)

METRICS = [average_precision, best_f1, roc_auc, ucr_accuracy, vus_pr, vus_roc]
ALL_METRICS = [*METRICS, affiliation, pa_k, point_adjusted_f1]
points = st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=1, max_size=40)


def event(begin, end, length=1000):
    labels = np.zeros(length, int)
    labels[begin:end] = 1
    return labels


def peak(position, length=1000):
    scores = np.zeros(length)
    scores[position] = 1
    return scores


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        # The two anomalous points have ranks 1 and 3: 1/2 * 1/1 + 1/2 * 2/3.
        ([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.1, 0.2], 5 / 6),
        # The only anomalous point is last of four: 1 * 1/4.
        ([0, 0, 0, 1], [4, 3, 2, 1], 1 / 4),
        # One threshold flags a hit and a miss together: 1/2 * 1/2, then 1/2 * 2/3.
        ([1, 0, 1, 0], [2, 2, 1, 0], 7 / 12),
        # The same with the tied pair swapped.
        ([0, 1, 1, 0], [2, 2, 1, 0], 7 / 12),
        # All scores are tied: one threshold, whose precision is the share of anomalous points.
        ([1, 0, 0, 0, 1], [3, 3, 3, 3, 3], 2 / 5),
    ],
)
def test_average_precision_matches_hand_computed_values(labels, scores, expected):
    assert average_precision(labels, scores) == pytest.approx(expected)


@settings(max_examples=40)
@given(points)
def test_average_precision_matches_naive_reference(pairs):
    labels, scores = zip(*pairs, strict=True)
    assume(any(labels))
    assert average_precision(labels, scores) == pytest.approx(naive.average_precision(labels, scores))


@settings(max_examples=40)
@given(points)
def test_average_precision_of_a_perfect_ranking_is_one(pairs):
    labels, scores = (np.array(column) for column in zip(*pairs, strict=True))
    assume(labels.any())
    assert average_precision(labels, scores + 100 * labels) == pytest.approx(1)


@settings(max_examples=40)
@given(points)
def test_average_precision_is_invariant_under_monotone_transforms(pairs):
    labels, scores = (np.array(column) for column in zip(*pairs, strict=True))
    assume(labels.any())
    plain = average_precision(labels, scores)
    for changed in (scores**3 + 2 * scores, np.exp(scores / 5.0), 1e-6 * scores - 7):
        assert average_precision(labels, changed) == pytest.approx(plain)


@settings(max_examples=40)
@given(points, st.randoms())
def test_average_precision_is_invariant_under_permutation_of_points(pairs, random):
    assume(any(label for label, _ in pairs))
    mixed = random.sample(pairs, len(pairs))
    first, second = (average_precision(*zip(*some, strict=True)) for some in (pairs, mixed))
    assert first == pytest.approx(second)


def test_average_precision_of_random_scores_is_about_the_share_of_anomalous_points():
    labels = event(100, 1100, 10_000)
    assert average_precision(labels, np.random.default_rng(0).random(10_000)) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        # Of the 2 x 3 pairs of an anomalous and a normal point, 3 + 2 are in the right order.
        ([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.1, 0.2], 5 / 6),
        ([0, 0, 0, 1], [4, 3, 2, 1], 0),
        # 2 x 2 pairs: one tie, two in the right order, one in the wrong order.
        ([1, 0, 1, 0], [2, 2, 1, 0], 2.5 / 4),
        ([1, 0, 0, 0, 1], [3, 3, 3, 3, 3], 1 / 2),
    ],
)
def test_roc_auc_matches_hand_computed_values(labels, scores, expected):
    assert roc_auc(labels, scores) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        # Flagging 1, 2, 3, 4, 5 points detects 1, 1, 2, 2, 2: F1 is 2/3, 2/4, 4/5, 4/6, 4/7.
        ([1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.1, 0.2], 4 / 5),
        # Only flagging all four detects it; before that precision and recall are both 0.
        ([0, 0, 0, 1], [4, 3, 2, 1], 2 / 5),
        # Tied points are flagged together: 1 of 2, then 2 of 3.
        ([1, 0, 1, 0], [2, 2, 1, 0], 4 / 5),
        # The best threshold is between two steps of any regular grid from the lowest to the highest score.
        ([1, 1, 0, 0, 0], [1e9, 3, 2, 1, 0], 1),
    ],
)
def test_best_f1_matches_hand_computed_values(labels, scores, expected):
    assert best_f1(labels, scores) == pytest.approx(expected)


@settings(max_examples=40)
@given(points)
def test_best_f1_matches_naive_reference(pairs):
    labels, scores = (np.array(column) for column in zip(*pairs, strict=True))
    assume(labels.any())
    assert best_f1(labels, scores) == pytest.approx(naive.best_f1(labels, scores))


@settings(max_examples=40)
@given(points)
def test_roc_auc_matches_naive_reference(pairs):
    labels, scores = (np.array(column) for column in zip(*pairs, strict=True))
    assume(0 < labels.sum() < len(labels))
    assert roc_auc(labels, scores) == pytest.approx(naive.roc_auc(labels, scores))


@pytest.mark.parametrize("metric", [best_f1, roc_auc, vus_pr, vus_roc, lambda *of: pa_k(*of).area])
@settings(max_examples=20, deadline=None)
@given(pairs=points)
def test_threshold_metrics_depend_only_on_the_order_of_scores(metric, pairs):
    labels, scores = (np.array(column) for column in zip(*pairs, strict=True))
    assume(0 < labels.sum() < len(labels))
    plain = metric(labels, scores)
    assert 0 <= plain <= 1 + 1e-12
    for changed in (scores**3 + 2 * scores, np.exp(scores / 5.0), 1e-6 * scores - 7):
        assert metric(labels, changed) == pytest.approx(plain)
    assert metric(labels[::-1], scores[::-1]) == pytest.approx(plain)  # ties in reverse order
    assert metric(labels, scores + 100 * labels) == pytest.approx(1)
    assert metric(labels, 0 * scores) < 1


@pytest.mark.parametrize("metric", [best_f1, roc_auc])
@settings(max_examples=40)
@given(pairs=points, random=st.randoms())
def test_pointwise_metrics_are_invariant_under_permutation_of_points(metric, pairs, random):
    assume(0 < sum(label for label, _ in pairs) < len(pairs))
    first, second = (metric(*zip(*some, strict=True)) for some in (pairs, random.sample(pairs, len(pairs))))
    assert first == pytest.approx(second)


@pytest.mark.parametrize("metric", [roc_auc, vus_roc])
def test_false_positive_rates_need_a_normal_point(metric):
    with pytest.raises(InputError, match="no normal point"):
        metric([1, 1], [0, 1])


@pytest.mark.parametrize(
    ("begin", "end", "position", "expected"),
    [
        # L = 10, so the tolerance is 100: correct where 300 - 100 < p < 309 + 100.
        (300, 310, 200, 0),
        (300, 310, 201, 1),
        (300, 310, 305, 1),
        (300, 310, 408, 1),
        (300, 310, 409, 0),
        # L = 100 is the last length with a tolerance of 100: 200 < p < 399 + 100.
        (300, 400, 200, 0),
        (300, 400, 201, 1),
        (300, 400, 498, 1),
        (300, 400, 499, 0),
        # L = 150 is its own tolerance: 300 - 150 < p < 449 + 150.
        (300, 450, 150, 0),
        (300, 450, 151, 1),
        (300, 450, 598, 1),
        (300, 450, 599, 0),
        # Events at the ends of the series: p < 4 + 100, and 995 - 100 < p.
        (0, 5, 0, 1),
        (0, 5, 103, 1),
        (0, 5, 104, 0),
        (995, 1000, 999, 1),
        (995, 1000, 896, 1),
        (995, 1000, 895, 0),
    ],
)
def test_ucr_accuracy_tolerance_matches_hand_computed_bounds(begin, end, position, expected):
    assert ucr_accuracy(event(begin, end), peak(position)) == expected


def test_ucr_accuracy_uses_the_first_of_tied_peaks():
    assert ucr_accuracy(event(600, 610), peak([50, 605])) == 0
    assert ucr_accuracy(event(600, 610), peak([605, 950])) == 1


@settings(max_examples=40)
@given(st.integers(0, 399), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_ucr_accuracy_is_invariant_under_monotone_transforms(begin, length, seed):
    labels = event(begin, min(begin + length, 400), 400)
    scores = np.random.default_rng(seed).integers(-50, 50, 400)
    plain = ucr_accuracy(labels, scores)
    for changed in (scores**3 + 2 * scores, np.exp(scores / 5.0), 0.5 * scores - 7):
        assert ucr_accuracy(labels, changed) == plain


@settings(max_examples=40)
@given(st.integers(0, 399), st.integers(1, 200), st.integers(0, 399))
def test_ucr_accuracy_is_invariant_under_time_reversal(begin, length, position):
    labels, scores = event(begin, min(begin + length, 400), 400), peak(position, 400)
    assert ucr_accuracy(labels, scores) == ucr_accuracy(labels[::-1], scores[::-1])


@pytest.mark.parametrize("second", [[(700, 710)], [(312, 320)], [(500, 501), (700, 710)]])
def test_ucr_accuracy_refuses_several_events(second):
    labels = event(300, 310)
    for begin, end in second:
        labels[begin:end] = 1
    with pytest.raises(InputError, match=f"{1 + len(second)} events"):
        ucr_accuracy(labels, peak(305))


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_return_plain_floats_for_every_input_type(metric):
    labels, scores = [0, 1, 1, 0], [0, 3, 2, 1]
    kinds = [(bool, np.float32), (np.int8, np.float64), (float, int)]
    values = [metric(np.array(labels, dtype=a), np.array(scores, dtype=b)) for a, b in kinds] + [metric(labels, scores)]
    assert values == [1.0] * 4 and all(type(value) is float for value in values)


@pytest.mark.parametrize("metric", ALL_METRICS)
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0, 0], [1, 2, 3], "no anomalous point"),
        ([], [], "no anomalous point"),
        ([0, 1, 0], [1, 2], "scores"),
        ([[0, 1]], [[1, 2]], "two arrays"),
        ([0, 2, 1], [1, 2, 3], "other than 0 and 1"),
        ([0, np.nan, 1], [1, 2, 3], "other than 0 and 1"),
        ([0, 1, 0], [1, np.nan, 3], "not finite"),
        ([0, 1, 0], [1, np.inf, 3], "not finite"),
    ],
)
def test_invalid_input_is_refused(metric, labels, scores, message):
    with pytest.raises(InputError, match=message) as caught:
        metric(labels, scores)
    assert caught.value.hint
