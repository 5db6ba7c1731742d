"""Whether the right rule and the right channel are first: hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.evals.metrics import channel_accuracy, rule_accuracy

LABELS = np.zeros(100, int)
LABELS[[1, 2, 45, 52, 80]] = 1  # the second and third run are one event: their padding touches
RANKINGS = {
    (1, 3): [("leak", 0.6), ("drift", 0.3), (None, 0.1)],
    (45, 53): [(None, 0.8), ("leak", 0.15), ("drift", 0.05)],
    (80, 81): [("drift", 0.7), ("leak", 0.2), (None, 0.1)],
}


@pytest.mark.parametrize(("right", "expected"), [({"leak"}, 2 / 3), ({"drift"}, 1 / 3), ({"leak", "drift"}, 1.0)])
def test_share_of_events_at_which_a_right_rule_is_first(right, expected):
    assert rule_accuracy(LABELS, lambda begin, end: RANKINGS[begin, end], right) == pytest.approx(expected)


def test_an_event_at_which_no_rule_is_named_counts_as_wrong():
    assert rule_accuracy([0, 1], lambda begin, end: [(None, 1.0)], {"leak"}) == 0.0


def test_without_a_right_rule_there_is_no_figure():
    assert np.isnan(rule_accuracy(LABELS, lambda begin, end: RANKINGS[begin, end], []))


def test_labels_without_an_event_are_refused():
    with pytest.raises(InputError, match="no anomalous point"):
        rule_accuracy([0, 0], lambda begin, end: [], {"leak"})


def two_events():
    """At points 10 and 11, channels 0 and 1 of 4 are at fault; at 80, channel 3."""
    at_fault = np.zeros((100, 4), bool)
    at_fault[10, 0] = at_fault[11, 1] = at_fault[80, 3] = True
    return at_fault


def test_the_channel_with_the_largest_share_counts_and_points_count_by_their_score():
    shares = np.full((100, 4), 0.25)
    shares[10], shares[11] = [0, 0.4, 0.6, 0], [0, 0.9, 0.1, 0]  # channel 2 leads at the first point only
    shares[80] = [0.2, 0.2, 0.2, 0.4]
    score = np.ones(100)
    assert channel_accuracy(two_events(), shares, score) == (1.0, (0.5 + 0.25) / 2)
    score[10] = 100
    assert channel_accuracy(two_events(), shares, score).located == 0.5


def test_an_event_without_a_score_counts_as_not_located():
    shares, score = np.full((100, 4), np.nan), np.full(100, np.nan)
    assert channel_accuracy(two_events(), shares, score).located == 0.0


def test_no_channel_at_fault_is_refused():
    with pytest.raises(InputError, match="no channel is at fault"):
        channel_accuracy(np.zeros((5, 2)), np.ones((5, 2)), np.ones(5))
