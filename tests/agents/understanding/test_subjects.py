"""Whom a sentence blames, and whether it speaks of another machine."""

from __future__ import annotations

import pytest

from ape.agents.understanding.subjects import acts_on, other_machine, others_follow, own_tags


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("The pump's speed sensor sticks.", "sensor"),
        ("The flow meter of the pump is fouled.", "sensor"),
        ("The exporter gets stuck.", "sensor"),
        ("The valve sticks, and the temperature sensor shows it.", "process"),
        ("A cron job runs away.", "process"),
        ("It rises slowly.", None),
    ],
)
def test_sensor_or_process(text, blamed):
    assert acts_on(text) == blamed


def test_other_number_of_the_same_kind_is_another_machine():
    own = own_tags(["Centrifugal pump P-101 of unit 3"])
    assert other_machine("P-102 leaks.", own) == "P-102"
    assert other_machine("Unit 4 was noisy.", own) == "Unit 4"
    assert other_machine("P-101 leaks.", own) is None
    assert other_machine("Valve V-7 leaks.", own) is None


def test_neighbours_are_other_machines():
    assert other_machine("The neighbouring plant had a leak.", {}) == "neighbouring plant"
    assert other_machine("As in the sister plant, it leaks.", {}) is None


@pytest.mark.parametrize(
    ("text", "follow"),
    [
        ("The pump trips and the other pressures fall with it.", True),
        ("The valve closes, and downstream flows drop.", True),
        ("A fouled cooler warms up, which drags the bearing temperature up.", True),
        ("The pump leaks slowly.", False),
        ("The pump loses flow, but the other channels do not follow.", False),
    ],
)
def test_others_follow_only_where_the_text_says_so(text, follow):
    assert others_follow(text) == follow
