"""Hours, days of the week, loads and changes in texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.times import after_change, hours, level, like_weekdays, weekdays

WORKDAYS = [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("the job runs at 02:00", (1.5, 2.5)),
        ("at two o'clock", (1.5, 2.5)),
        ("around 3 pm", (14, 16)),
        ("at ten in the evening", (21.5, 22.5)),
        ("between 6 and 8 pm", (18, 20)),
        ("from 22:00 to 06:00", (22, 30)),
        ("Mon-Fri 8:00-17:00", (8, 17)),
        ("after 18:00", (18, 21)),
        ("before 6 am", (3, 6)),
        ("at night", (21, 30)),
        ("in the afternoon", (12, 18)),
        ("during office hours", (8, 18)),
        ("outside office hours", (18, 31)),
        ("too warm in sunshine; nights are right", (7, 19)),
        ("the 4am job", (3.5, 4.5)),
        ("the 4 a.m. run", (3.5, 4.5)),
        ("at half past two", (2, 3)),
        ("at a quarter to six in the evening", (17.25, 18.25)),
        ("at 0230 hours", (2, 3)),
        ("cleaning on Mondays from 9 to 11 takes the probe out", (9, 11)),
        ("every day 9 to 11 it is cleaned", (9, 11)),
        ("between 9 and 11 it drifts", (9, 11)),
        ("on Sundays from 10 to noon", (10, 12)),
        ("6-8 pm", (18, 20)),
    ],
)
def test_hours(text, span):
    found = hours(text)
    assert (found.low, found.high) == pytest.approx(span)


@pytest.mark.parametrize(
    "text",
    [
        "not at night",
        "day and night",
        "between 10 and 20 %",
        "from 3 to 5 bar",
        "at 50 Hz",
        "the level is at 5",
        "at 3 of 4",
        "it jumps between 9 and 11 every day",
        "between 9 and 11 sensors fail",
        "from 2 to 6 hours",
        "half an hour after the start",
    ],
)
def test_other_numbers_and_denied_times_are_no_hours(text):
    assert hours(text) is None


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("on weekdays", WORKDAYS),
        ("Monday to Friday", WORKDAYS),
        ("in office hours", WORKDAYS),
        ("at weekends", [5, 6]),
        ("on Tuesdays and Fridays", [1, 4]),
        ("daily except Sundays", [0, 1, 2, 3, 4, 5]),
        ("Fri-Mon", [0, 4, 5, 6]),
        ("a bridge day looks like a Sunday", []),
        ("outside office hours", []),
        ("the sun shines", []),
    ],
)
def test_weekdays(text, days):
    assert weekdays(text) == days


@pytest.mark.parametrize(
    "text",
    [
        "after each restart of the pump",
        "in the first minutes after a start",
        "at start-up",
        "right after a deploy",
        "when it is switched on",
        "it starts with a release",
        "in the first half hour after switching on",
        "the first few minutes of operation",
        "just after the pump comes on",
    ],
)
def test_after_a_change(text):
    assert after_change(text)


@pytest.mark.parametrize(
    "text", ["after two hours", "it leaves after the party", "it starts at noon", "in the first hours of the night"]
)
def test_not_after_a_change(text):
    assert not after_change(text)


@pytest.mark.parametrize(
    ("text", "terciles"),
    [
        ("mostly at high load", ["high"]),
        ("under full load", ["high"]),
        ("in peak hours", ["high"]),
        ("when idle", ["low"]),
        ("at low speed", ["low"]),
        ("at night", []),
        ("a high reading", []),
    ],
)
def test_level(text, terciles):
    assert level(text) == terciles


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("a public holiday runs like a Sunday", [6]),
        ("holidays look like weekends", [5, 6]),
        ("on bridge days the demand is as on a normal Saturday", [5]),
        ("feast days follow the Sunday profile", [6]),
        ("lower than on a Sunday", []),
        ("every Sunday", []),
    ],
)
def test_days_that_other_days_look_like(text, days):
    assert like_weekdays(text) == days


@given(st.text(max_size=200))
def test_any_text_can_be_parsed(text):
    span = hours(text)
    assert span is None or (0 <= span.low <= 24 and span.low < span.high <= span.low + 24)
    assert all(0 <= day <= 6 for day in weekdays(text))
