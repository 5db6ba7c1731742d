"""In-time figures against hand-worked values and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.evals.metrics import in_time


def marked(length, *spans):
    labels = np.zeros(length, int)
    for begin, end in spans:
        labels[begin:end] = 1
    return labels


def scored(length, *flagged):
    scores = np.linspace(0, 1, length)  # without ties
    scores[list(flagged)] += 10
    return scores


def test_figures_match_hand_worked_values():
    labels = marked(1000, (200, 204), (600, 604))
    # Eight points are flagged: three inside the first event from its third point on, one in its padding of 10 points,
    # one 5 points before it, one 90 points before the second event, two far away.
    scores = scored(1000, 202, 203, 204, 213, 195, 510, 800, 900)
    result = in_time(labels, scores)
    assert result.outside == pytest.approx(3 / 8)
    assert result.found == 0.5 and result.delay == (2 + 4) / 2 and result.early == 1.0


def test_an_early_flag_is_not_the_one_after_an_earlier_event():
    labels = marked(400, (100, 104), (150, 154))
    result = in_time(labels, scored(400, 100, 101, 102, 103, 110, 113, 150, 151))
    assert result == (0.0, 1.0, 0.0, 0.0)
    assert in_time(labels, scored(400, 100, 101, 102, 103, 110, 114, 150, 151)).early == 0.5


def test_long_events_are_padded_by_a_tenth():
    labels = marked(1000, (300, 700))
    scores = np.zeros(1000)
    scores[341:741] = 1  # up to one point beyond 40 points of padding
    result = in_time(labels, scores)
    assert result.outside == pytest.approx(1 / 400) and (result.delay, result.early) == (41, 0)


def test_runs_whose_padding_touches_are_one_event():
    labels = marked(400, (100, 104), (120, 124), (200, 204), (225, 229))
    result = in_time(labels, scored(400, *range(120, 134), 200, 201))
    assert (result.found, result.delay, result.outside) == (2 / 3, (20 + 0 + 4) / 3, 0)


def test_a_constant_score_flags_everything():
    result = in_time(marked(300, (150, 160)), np.ones(300))
    assert result == pytest.approx((270 / 300, 1, 0, 1))


points = st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(points)
def test_properties(pairs):
    labels, scores = (np.array(column, int) for column in zip(*pairs, strict=True))
    assume(labels.any())
    result = in_time(labels, scores)
    assert in_time(labels, np.exp(scores / 2.0)) == result  # only the order counts
    assert 0 <= result.outside <= 1 and 0 <= result.early <= 1 and 0 <= result.found <= 1
    assert in_time(labels, labels) == (0, 1, 0, 0)


def test_no_event_is_refused():
    with pytest.raises(InputError, match="no anomalous point"):
        in_time([0, 0], [1, 2])
