"""How often failures happen, by the words of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.frequency import shares


def test_words_order_failures():
    common, frequent, plain, rare, rarest = shares(
        ["The most common failure is A.", "B is frequent.", "C sticks.", "D is rare.", "E happens very rarely."]
    )
    assert common > frequent > plain > rare > rarest


def test_rates_give_their_ratio():
    yearly, monthly = shares(["It sticks twice a year.", "It drifts once a month."])
    assert monthly / yearly == pytest.approx(6, rel=0.01)
    rare, frequent = shares(["It sticks every other year.", "It drifts every 4 weeks."])
    assert frequent / rare == pytest.approx(26, rel=0.05)


def test_claimed_share_of_all_incidents_is_that_share():
    leaks, *others = shares(["About 60 % of all incidents are leaks.", "It sticks.", "It drifts."])
    assert leaks / (leaks + sum(others)) == pytest.approx(0.6)


def test_frequency_words_of_something_else_do_not_count():
    assert shares(["It rises too often to count."]) == [1.0]


@given(st.lists(st.text(max_size=100), max_size=5))
def test_every_text_gets_a_share_above_zero(texts):
    found = shares(texts)
    assert len(found) == len(texts) and all(0 < share <= 10 for share in found)
