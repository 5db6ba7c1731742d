"""Sharp begins and ends of events, and events that overlap then."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.monitor import Event
from ape.monitor.answer import examined
from ape.monitor.edges import joined, sharpened

from .conftest import EVENT, TRAIN_END

BEGIN, END = EVENT
WHERE = slice(*EVENT)


@pytest.fixture
def edges(context_of, event_of):
    """Return begin and end of the sharpened event of a series, from an alarm with given begin and end."""

    def find(values, begin, end, **options):
        context = context_of(values, begin, end, **options)
        event = examined(event_of(context, begin, end), context)
        sharp = sharpened(event, context)
        assert sharp.begin <= sharp.peak < sharp.end
        return sharp.begin, sharp.end

    return find


@pytest.mark.parametrize(("early", "late"), [(20, 30), (0, 0), (-5, -10)])
def test_a_level_begins_and_ends_with_its_values(edges, wave, early, late):
    wave[WHERE] += 3
    begin, end = edges(wave, BEGIN - early, END + late)
    assert abs(begin - BEGIN) <= 2 and abs(end - END) <= 2


def test_a_lower_level_is_found_too(edges, wave):
    wave[WHERE] -= 3
    begin, end = edges(wave, BEGIN - 20, END + 20)
    assert abs(begin - BEGIN) <= 2 and abs(end - END) <= 2


def test_a_standstill_is_an_event_from_its_first_to_its_last_value(edges, wave):
    wave[WHERE] = wave[BEGIN]
    assert edges(wave, BEGIN - 15, END + 25) == EVENT


def test_missing_values_are_an_event_from_the_first_to_the_last(edges, wave):
    missing = np.zeros((len(wave), 1), dtype=bool)
    missing[WHERE] = True
    wave[WHERE] = wave[BEGIN]
    assert edges(wave, BEGIN - 5, END + 40, missing=missing) == EVENT


def test_more_variation_leaves_the_event_as_it_is(edges, wave):
    wave[WHERE] += np.random.default_rng(1).standard_normal(END - BEGIN)
    assert edges(wave, BEGIN - 6, END + 7) == (BEGIN - 6, END + 7)


def test_an_event_does_not_reach_into_the_training_part(edges, wave):
    missing = np.zeros((len(wave), 1), dtype=bool)
    missing[TRAIN_END - 40 : TRAIN_END + 60] = True
    assert edges(wave, TRAIN_END, TRAIN_END + 80, missing=missing) == (TRAIN_END, TRAIN_END + 60)


def event(begin, length, score):
    return Event(begin, begin + length, begin, score, (("x", 1.0),), (), False)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40), st.floats(3, 9)), max_size=12))
def test_joined_events_cover_the_same_points_without_overlap(drawn):
    events = [event(*each) for each in drawn]
    merged = joined(events)
    assert all(first.end <= second.begin for first, second in pairwise(merged))
    covered = {point for each in events for point in range(each.begin, each.end)}
    assert {point for each in merged for point in range(each.begin, each.end)} == covered
    assert max((each.score for each in merged), default=0) == max((each.score for each in events), default=0)


def test_of_overlapping_events_the_one_with_the_higher_score_is_kept():
    low, high = event(0, 20, 4.0), replace(event(10, 30, 5.0), rules=(("stuck", 1.0),))
    assert joined([high, low]) == [replace(high, begin=0)]
