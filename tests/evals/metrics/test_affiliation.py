"""Affiliation against hand-computed values, properties, and the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.evals.metrics import affiliation

points = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def intervals(length, *pairs):
    labels = np.zeros(length, int)
    for begin, end in pairs:
        labels[begin:end] = 1
    return labels


@pytest.mark.parametrize(
    ("events", "flagged", "length", "precision", "recall"),
    [
        # The zone has length 10. At distance u from the event, 2 + 2u of the zone is as near: 0.3 on average. The
        # prediction is 0 to 2 away from the event, and twice that is nearer: 0.2 on average.
        ([(4, 6)], [(6, 7)], 10, 0.7, 0.8),
        ([(4, 6)], [(4, 6)], 10, 1, 1),
        # Everything is flagged: the event's 2 points count 1, each side of 4 counts 1 - (2 + 2 * 2)/10 on average.
        ([(4, 6)], [(0, 10)], 10, (2 + 8 * 0.4) / 10, 1),
        # Zones [0, 6) and [6, 12). The second has no prediction, so no precision, and recall 0.
        ([(2, 4), (8, 10)], [(2, 4)], 12, 1, 1 / 2),
        # A prediction across both zones. Each half is 1 to 2 away from its event: 1 - (2 + 3)/6. From y in the event, 3
        # down to 1 away, nearer is y + (5 - y) up to y = 2.5 and 2 (5 - y) beyond: (2.5 + 5.25) / 2 on average.
        ([(2, 4), (8, 10)], [(5, 7)], 12, 1 / 6, 1 - 7.75 / 12),
        # The event fills its zone. On each side of the prediction, nearer is y + (2 - y) up to 1 and 2 (2 - y) beyond.
        ([(0, 5)], [(2, 3)], 5, 1, 1 - 2 * (2 + 1) / 5 / 5),
    ],
)
def test_affiliation_matches_hand_computed_values(events, flagged, length, precision, recall):
    result = affiliation(intervals(length, *events), intervals(length, *flagged))
    assert result.precision == pytest.approx(precision) and result.recall == pytest.approx(recall)
    assert result.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_all_figures_are_zero_without_predictions():
    # The authors' precision is not a number in this case.
    assert affiliation([0, 1, 0], [0, 0, 0]) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_affiliation_matches_the_authors_code(seed):
    reason = "pip install --no-deps vus==0.0.6"
    reference = pytest.importorskip("vus.affiliation.metrics", reason=reason).pr_from_events
    events = pytest.importorskip("vus.affiliation.generics").convert_vector_to_events
    random = np.random.default_rng(seed)
    length = int(random.integers(20, 300))
    labels = intervals(
        length, *((b, b + random.integers(1, 20)) for b in random.integers(0, length, random.integers(1, 6)))
    )
    flagged = (random.random(length) + 0.2 * labels > random.choice([0.5, 0.9, 0.97])).astype(int)
    flagged[random.integers(length)] = 1
    expected = reference(events(flagged), events(labels), (0, length))
    result = affiliation(labels, flagged)
    assert result.precision == pytest.approx(expected["Affiliation_Precision"], abs=1e-9)
    assert result.recall == pytest.approx(expected["Affiliation_Recall"], abs=1e-9)


def test_affiliation_matches_recorded_figures_of_the_authors_code():
    # pr_from_events as included in vus 0.0.6.
    labels = intervals(500, (0, 3), (90, 110), (118, 119), (300, 340), (497, 500))
    flagged = (np.arange(500) * 7919 % 509) % 97 + 40 * labels > 80
    result = affiliation(labels, flagged)
    assert result.precision == pytest.approx(0.6129467165075576, abs=1e-9)
    assert result.recall == pytest.approx(0.9856555537194277, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(points)
def test_affiliation_properties(pairs):
    labels, flagged = (np.array(column) for column in zip(*pairs, strict=True))
    assume(labels.any())
    result = affiliation(labels, flagged)
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in result)
    assert affiliation(labels[::-1], flagged[::-1]) == pytest.approx(result)
    assert affiliation(labels, labels) == pytest.approx((1, 1, 1))
    assert affiliation(labels, np.ones_like(labels)).recall == pytest.approx(1)
    assert affiliation(labels, labels | flagged).recall == pytest.approx(1)


def test_random_predictions_get_an_f1_of_about_two_thirds():
    drawn = np.random.default_rng(0).random((20, 20_000)) > 0.95
    result = np.mean([affiliation(intervals(20_000, (5000, 6000)), flagged) for flagged in drawn], axis=0)
    assert result == pytest.approx([0.5, 1, 2 / 3], abs=0.02)


@pytest.mark.parametrize("flagged", [[0, 0.5, 1], [0, 2, 1]])
def test_non_binary_predictions_are_refused(flagged):
    with pytest.raises(InputError, match="predictions other than 0 and 1"):
        affiliation([0, 1, 0], flagged)
