"""Whether the right rule is first: hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest

from ape.core.errors import InputError
from ape.evals.metrics import rule_accuracy

LABELS = np.array([0, 1, 1, 1, 1, 0, 1, 1, 0])
SCORES = np.array([9, 1, 5, 6, 1, 0, 3, 3, 9])
# First event: the stronger half are its second and third points; on all four points the other rule would be first.
POSTERIOR = np.array(
    [[0, 1], [0.0, 0.9], [0.6, 0.3], [0.5, 0.4], [0.0, 0.9], [0, 1], [0.1, 0.2], [np.nan, np.nan], [1, 0]]
)


@pytest.mark.parametrize(("right", "expected"), [([True, False], 0.5), ([False, True], 0.5), ([True, True], 1.0)])
def test_share_of_events_at_which_a_right_rule_is_first(right, expected):
    assert rule_accuracy(LABELS, SCORES, POSTERIOR, right) == expected


def test_only_the_stronger_half_of_an_event_counts():
    first = LABELS * (np.arange(9) < 5)
    assert rule_accuracy(first, SCORES, POSTERIOR, [True, False]) == 1.0
    assert rule_accuracy(first, np.ones(9), POSTERIOR, [True, False]) == 0.0


def test_without_a_right_rule_there_is_no_figure():
    assert np.isnan(rule_accuracy(LABELS, SCORES, POSTERIOR, [False, False]))


def test_a_posterior_of_another_shape_is_refused():
    with pytest.raises(InputError, match="posterior has shape"):
        rule_accuracy(LABELS, SCORES, POSTERIOR.T, [True, False])
