"""Spans of high scores."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ape.monitor.spans import BELOW, JOINED, Span, spans

LEVEL = 3.0
SCORES = npst.arrays(float, st.integers(1, 200), elements=st.one_of(st.floats(0, 12), st.just(np.nan)))


def scores(length=100, **values):
    """Zeros, with ``at_10=4`` for the score 4 at the point 10."""
    score = np.zeros(length)
    for name, value in values.items():
        score[int(name.removeprefix("at_"))] = value
    return score


def test_a_span_lasts_while_the_score_is_one_below_the_level():
    score = np.zeros(100)
    score[40:50] = 2.1
    score[44] = 4
    score[60:70] = 2.9  # never reaches the level
    assert spans(score, LEVEL) == [Span(40, 50, 4.0)]


def test_a_strong_peak_counts_without_its_shoulders():
    score = np.zeros(100)
    score[30:70] = 2.5
    score[45:55] = 8
    score[50] = 10
    assert spans(score, LEVEL) == [Span(45, 55, 10.0)]


def test_strong_peaks_are_apart_if_the_score_falls_below_the_level_between_them():
    score = np.zeros(200)
    score[30:150] = 2.5
    score[40:60] = score[120:130] = 10
    assert spans(score, LEVEL) == [Span(40, 60, 10.0), Span(120, 130, 10.0)]
    score[60:120] = 3.5
    assert spans(score, LEVEL) == [Span(40, 130, 10.0)]


@pytest.mark.parametrize(("gap", "count"), [(JOINED, 1), (JOINED + 1, 2)])
def test_near_spans_are_joined(gap, count):
    assert len(spans(scores(at_10=4, **{f"at_{11 + gap}": 4}), LEVEL)) == count


def test_long_spans_are_joined_over_half_of_their_length():
    score = np.zeros(300)
    score[20:100] = 4
    score[140:150] = 5
    assert spans(score, LEVEL) == [Span(20, 150, 5.0)]
    assert len(spans(np.insert(score, 100, np.zeros(10)), LEVEL)) == 2


def test_no_span_crosses_a_cut():
    score = np.zeros(100)
    score[40:60] = 4
    assert spans(score, LEVEL, cuts=[50]) == [Span(40, 50, 4.0), Span(50, 60, 4.0)]


def test_young_points_prolong_an_event_and_raise_none():
    score, young = np.zeros(100), np.zeros(100, dtype=bool)
    young[80:] = True
    score[85:95] = 4
    assert spans(score, LEVEL, young=young) == []
    score[78:95] = 4
    assert spans(score, LEVEL, young=young) == [Span(78, 95, 4.0)]


@given(SCORES, st.floats(1.5, 6), st.lists(st.integers(1, 199), max_size=4, unique=True))
def test_spans_are_apart_in_order_and_contain_all_alarms(score, level, cuts):
    cuts = sorted(cut for cut in cuts if cut < len(score))
    found = spans(score, level, cuts)
    known = np.nan_to_num(score, nan=-np.inf)
    assert all(first.end <= second.begin for first, second in pairwise(found))
    assert not [cut for cut in cuts for span in found if span.begin < cut < span.end]
    for begin, end, peak in found:
        assert peak == known[begin:end].max() >= level
        assert min(known[begin], known[end - 1]) >= level - BELOW
    covered = np.zeros(len(score), dtype=bool)
    for span in found:
        covered[span.begin : span.end] = True
    highest = [span.peak for span in found]
    assert bool(highest) == bool((known >= level).any())
    # An alarm outside of all spans is in the shoulder of a strong peak.
    assert (known[~covered & (known >= level)] <= max(highest, default=0) / 2).all()


@given(SCORES, st.floats(1.5, 6), st.floats(0, 3))
def test_a_higher_level_has_no_event_where_a_lower_one_has_none(score, level, more):
    assert bool(spans(score, level + more)) <= bool(spans(score, level))
