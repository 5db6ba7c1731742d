"""Stretches and moments that requests name, in the span of the data."""

from __future__ import annotations

from datetime import datetime

import pytest

from ape.agents.guide.days import Span
from ape.agents.guide.times import Stretch, Unclear, find_stretch, without_times

NO_TIMES = Span(None, None, None, None)
DATA = Span(datetime(2026, 2, 1), datetime(2026, 3, 14, 23, 50), 6048, 600.0)  # a Saturday at its end


def named(request, span=DATA):
    found = find_stretch(request, span)
    assert isinstance(found, Stretch), (request, found)
    return found.begin, found.end


@pytest.mark.parametrize(
    ("request_text", "stretch"),
    [
        ("show 200 to 900", (200, 900)),
        ("show sensor2 900-200.", (200, 900)),
        ("zoom between 3 and 9, please", (3, 9)),
        ("show 2024-04-15 to 2024-04-16", ("2024-04-15", "2024-04-16")),
        ("show 2024-06-07 08:00 to 2024-06-07 12:00", ("2024-06-07 08:00", "2024-06-07 12:00")),
        ("show 2024-06-07 8:00 to 12:00", ("2024-06-07 08:00", "2024-06-07 12:00")),
        ("show 2024-06-07T08:00+02:00 to 2024-06-08T09:00Z", ("2024-06-07 08:00+02:00", "2024-06-08 09:00Z")),
        ("show 2024-06", ("2024-06-01", "2024-06-30")),
        ("show 7.6.2024 to 8.6.2024", ("2024-06-07", "2024-06-08")),
        ("look at 7 June 2024", ("2024-06-07", "2024-06-07")),
        ("show June 7, 2024 at 8:00 am to 9:30 pm", ("2024-06-07 08:00", "2024-06-07 21:30")),
        ("show 0:10:00 to 0:20:00", ("0:10:00", "0:20:00")),
    ],
)
def test_stretch_needs_no_data_if_it_is_complete(request_text, stretch):
    assert named(request_text, NO_TIMES) == stretch


@pytest.mark.parametrize(
    ("request_text", "stretch"),
    [
        ("show last week", ("2026-03-08 00:00", "2026-03-14 23:50")),
        ("the last 3 hours", ("2026-03-14 21:00", "2026-03-14 23:50")),
        ("show the final 200 points", (5848, 6047)),
        ("yesterday", ("2026-03-13", "2026-03-13")),
        ("show last weekend", ("2026-03-07", "2026-03-08")),
        ("this weekend", ("2026-03-14", "2026-03-14")),
        ("the weekend before last", ("2026-02-28", "2026-03-01")),
        ("last night", ("2026-03-13 21:00", "2026-03-14 06:00")),
        ("what did last Tuesday look like", ("2026-03-10", "2026-03-10")),
        ("events since Monday", ("2026-03-09", "2026-03-14 23:50")),
        ("in the first week of March", ("2026-03-01", "2026-03-07")),
        ("in february", ("2026-02-01", "2026-02-28")),
        ("5 to 7 March", ("2026-03-05", "2026-03-07")),
        ("March 5-7", ("2026-03-05", "2026-03-07")),
        ("from 8 March 22:00 to 9 March 4:00", ("2026-03-08 22:00", "2026-03-09 04:00")),
        ("9 March between 2 and 6 pm", ("2026-03-09 14:00", "2026-03-09 18:00")),
        ("9 March from 22:00 to 2:00", ("2026-03-09 22:00", "2026-03-10 02:00")),
        ("7 March 12:30", ("2026-03-07 12:30", "2026-03-07 12:30")),
        ("on March 7th around half past twelve", ("2026-03-07 12:30", "2026-03-07 12:30")),
        ("3/7/2026", ("2026-03-07", "2026-03-07")),
        ("7/3 14:00", ("2026-03-07 14:00", "2026-03-07 14:00")),
        ("around noon on the 20th", ("2026-02-20 12:00", "2026-02-20 12:00")),
        ("why at 7900", (7900, 7900)),
    ],
)
def test_stretch_in_the_data(request_text, stretch):
    assert named(request_text) == stretch


@pytest.mark.parametrize(
    ("request_text", "options"),
    [
        ("around noon on the 7th", ("around noon on 7 February", "around noon on 7 March")),
        ("the 30th", ()),
        ("what was at 12:30", ()),
        ("show the last 3 hours", ()),
    ],
)
def test_time_that_fits_twice_or_never_is_a_question(request_text, options):
    span = NO_TIMES if "hours" in request_text else DATA
    found = find_stretch(request_text, span)
    assert isinstance(found, Unclear) and found.options == options


@pytest.mark.parametrize("request_text", ["show the series", "what may happen", "why event 2?", "level 3 of 5"])
def test_request_without_a_time(request_text):
    assert find_stretch(request_text, DATA) is None


def test_times_are_replaced_by_a_stand_in():
    assert without_times("why was 7 March 12:30 flagged?", DATA, "THEN") == "why was THEN flagged?"
    assert without_times("show 200 to 900", DATA, "THEN") == "show THEN"
    assert without_times("nothing here", DATA, "THEN") == "nothing here"


@pytest.mark.parametrize(
    ("request_text", "begin", "end"),
    [
        ("show everything from 9 March onwards", "2026-03-09", "2026-03-14 23:50"),
        ("from 9 March on", "2026-03-09", "2026-03-14 23:50"),
        ("until 9 March 12:00", "2026-02-01 00:00", "2026-03-09 12:00"),
        ("show what was before 9 March", "2026-02-01 00:00", "2026-03-08"),
        ("the day before yesterday", "2026-03-12", "2026-03-12"),
    ],
)
def test_open_ends(request_text, begin, end):
    span = Span(datetime(2026, 2, 1), datetime(2026, 3, 14, 23, 50), 6048, 600.0)
    found = find_stretch(request_text, span)
    assert (found.begin, found.end) == (begin, end)


@pytest.mark.parametrize(
    ("last", "saturday"),
    [("2026-03-15 12:00", "2026-03-07"), ("2026-03-15 23:59", "2026-03-14"), ("2026-03-18 08:00", "2026-03-14")],
)
def test_last_weekend_is_over_at_the_end_of_the_data(last, saturday):
    span = Span(datetime(2026, 2, 1), datetime.fromisoformat(last), 6048, 600.0)
    assert named("last weekend", span)[0] == saturday
