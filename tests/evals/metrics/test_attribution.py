"""Whether the right rule is first: hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.evals.metrics import rule_accuracy

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
