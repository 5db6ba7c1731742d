"""Durations and counts in words, and how often a score is expected by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.monitor.durations import FARTHEST, alike_text, count_text, duration_text, expectation, number_text

DAY = 86_400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.25 seconds"),
        (1, "1 second"),
        (44 * 60, "44 minutes"),
        (90 * 60, "90 minutes"),
        (3600, "1 hour"),
        (36 * 3600, "36 hours"),
        (7 * DAY, "1 week"),
        (10 * DAY, "10 days"),
        (120 * DAY, "4 months"),
        (365 * DAY, "1 year"),
        (40 * 365.25 * DAY, "40 years"),
    ],
)
def test_durations_are_in_the_largest_unit_of_which_there_are_two(seconds, words):
    assert duration_text(seconds) == words


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (12345, 2, "12,000"),
        (-20.4, 2, "-20"),
        (0.000123, 2, "0.00012"),
        (3.0, 3, "3"),
        (99.96, 2, "100"),
        (1e20, 2, "1.0e+20"),
        (0, 2, "0"),
    ],
)
def test_numbers_have_few_digits(value, digits, text):
    assert number_text(value, digits) == text


@given(st.floats(1e-4, 1e12), st.integers(1, 6))
def test_numbers_are_as_near_as_their_digits_allow(value, digits):
    assert float(number_text(value, digits).replace(",", "")) == pytest.approx(value, rel=0.5 * 10.0 ** (1 - digits))


def test_points_are_counted_where_no_step_is_known():
    assert count_text(1) == "1 point"
    assert expectation(4.1, None, 5000).words == "13,000 points"


def test_a_score_says_how_often_it_is_expected():
    found = expectation(4.0, 60.0, 100_000)  # one of 10,000 minutes
    assert (found.points, found.words, found.rarer, found.once) == (10_000, "1 week", False, "once in a week")
    assert expectation(np.log10(170_000), 60.0, 100_000).once == "once in 4 months"


def test_the_tail_is_not_extrapolated_for_ever():
    found = expectation(400.0, 60.0, 4320)  # three days
    assert found.points == FARTHEST * 4320
    assert found.words == "more than 8 years"
    assert found.once == "less than once in 8 years"


@given(st.floats(0, 400), st.floats(0, 400), st.integers(10, 10**6))
def test_higher_scores_are_expected_at_most_as_often(low, high, trained):
    low, high = sorted((low, high))
    assert expectation(low, None, trained).points <= expectation(high, None, trained).points


@pytest.mark.parametrize(
    ("values", "difference", "texts"),
    [
        ([3.1, 2.27], 0.83, ["3.10", "2.27"]),
        ([31.0, 32.0], -1.0, ["31", "32"]),
        ([73.2, 51.3], 21.9, ["73", "51"]),
        ([4012.0, 16_040.0], -12_028.0, ["4,000", "16,000"]),
        ([64.3], 0.0, ["64"]),
        ([3e-9, 1e-9], 2e-9, ["3.00e-09", "1.00e-09"]),
    ],
)
def test_two_numbers_have_the_same_decimals(values, difference, texts):
    assert alike_text(values, difference) == texts
