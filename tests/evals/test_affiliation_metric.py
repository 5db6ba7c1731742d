"""Affiliation by hand-worked numbers, properties, and the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ape.core.errors import InputError
from ape.evals.metrics import affiliation

points = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def runs(length, *pairs):
    found = np.zeros(length, int)
    for begin, end in pairs:
        found[begin:end] = 1
    return found


@pytest.mark.parametrize(
    ("events", "flagged", "length", "precision", "recall"),
    [
        # Zone of 10. At u beyond the event, 2 + 2u of it are as near: 0.3 on average. From the event the prediction
        # lies 0 to 2 away, and twice that is nearer: 0.2 on average.
        ([(4, 6)], [(6, 7)], 10, 0.7, 0.8),
        ([(4, 6)], [(4, 6)], 10, 1, 1),
        # All flagged: the event's 2 count 1, and each side of 4 has 1 - (2 + 2 * 2)/10 on average.
        ([(4, 6)], [(0, 10)], 10, (2 + 8 * 0.4) / 10, 1),
        # Zones [0, 6) and [6, 12); the second has no prediction, so no precision and recall 0.
        ([(2, 4), (8, 10)], [(2, 4)], 12, 1, 1 / 2),
        # A run across both zones. Its half lies 1 to 2 from the event: 1 - (2 + 3)/6. From y in the event, 3 down to 1
        # away, y + (5 - y) up to 2.5 and 2 (5 - y) from there on: (2.5 + 5.25) / 2 on average.
        ([(2, 4), (8, 10)], [(5, 7)], 12, 1 / 6, 1 - 7.75 / 12),
        # The event is its whole zone. On each side of the prediction, y + (2 - y) up to 1 and 2 (2 - y) from there on.
        ([(0, 5)], [(2, 3)], 5, 1, 1 - 2 * (2 + 1) / 5 / 5),
    ],
)
def test_by_hand(events, flagged, length, precision, recall):
    found = affiliation(runs(length, *events), runs(length, *flagged))
    assert found.precision == pytest.approx(precision) and found.recall == pytest.approx(recall)
    assert found.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_without_predictions_all_is_zero():
    # The authors' precision is not a number there.
    assert affiliation([0, 1, 0], [0, 0, 0]) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_authors_code(seed):
    reason = "pip install --no-deps vus==0.0.6"
    reference = pytest.importorskip("vus.affiliation.metrics", reason=reason).pr_from_events
    events = pytest.importorskip("vus.affiliation.generics").convert_vector_to_events
    random = np.random.default_rng(seed)
    length = int(random.integers(20, 300))
    labels = runs(length, *((b, b + random.integers(1, 20)) for b in random.integers(0, length, random.integers(1, 6))))
    flagged = (random.random(length) + 0.2 * labels > random.choice([0.5, 0.9, 0.97])).astype(int)
    flagged[random.integers(length)] = 1
    expected = reference(events(flagged), events(labels), (0, length))
    found = affiliation(labels, flagged)
    assert found.precision == pytest.approx(expected["Affiliation_Precision"], abs=1e-9)
    assert found.recall == pytest.approx(expected["Affiliation_Recall"], abs=1e-9)


def test_agrees_with_numbers_noted_from_the_authors_code():
    # pr_from_events as packed in vus 0.0.6.
    labels = runs(500, (0, 3), (90, 110), (118, 119), (300, 340), (497, 500))
    flagged = (np.arange(500) * 7919 % 509) % 97 + 40 * labels > 80
    found = affiliation(labels, flagged)
    assert found.precision == pytest.approx(0.6129467165075576, abs=1e-9)
    assert found.recall == pytest.approx(0.9856555537194277, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(points)
def test_properties(pairs):
    labels, flagged = (np.array(column) for column in zip(*pairs, strict=True))
    assume(labels.any())
    found = affiliation(labels, flagged)
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in found)
    assert affiliation(labels[::-1], flagged[::-1]) == pytest.approx(found)
    assert affiliation(labels, labels) == pytest.approx((1, 1, 1))
    assert affiliation(labels, np.ones_like(labels)).recall == pytest.approx(1)
    assert affiliation(labels, labels | flagged).recall == pytest.approx(1)


def test_random_predictions_come_near_two_thirds():
    drawn = np.random.default_rng(0).random((20, 20_000)) > 0.95
    found = np.mean([affiliation(runs(20_000, (5000, 6000)), flagged) for flagged in drawn], axis=0)
    assert found == pytest.approx([0.5, 1, 2 / 3], abs=0.02)


@pytest.mark.parametrize("flagged", [[0, 0.5, 1], [0, 2, 1]])
def test_refuses_scores(flagged):
    with pytest.raises(InputError, match="predictions other than 0 and 1"):
        affiliation([0, 1, 0], flagged)
