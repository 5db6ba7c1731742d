"""Dates of planned work in sentences."""

from __future__ import annotations

import pytest

from ape.agents.understanding.dates import dated_times, is_planned_work
from ape.agents.understanding.reading import read_statements


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-02-11 09:30 planned maintenance until 11:00", "2026-02-11T09:30:00", "2026-02-11T11:00:00"),
        (
            "scheduled outage of the chiller on 2026-02-11 from 22:00 to 03:30",
            "2026-02-11T22:00:00",
            "2026-02-12T03:30:00",
        ),
        ("Planned shutdown from 2026-02-11 18:00 to 2026-02-13 06:00", "2026-02-11T18:00:00", "2026-02-13T06:00:00"),
        ("2026-02-11T09:30:00 planned works until 2026-02-12T07:00", "2026-02-11T09:30:00", "2026-02-12T07:00:00"),
        ("announced inspection, 11.02.2026 8:00-11:30", "2026-02-11T08:00:00", "2026-02-11T11:30:00"),
        ("On 11 February 2026 the planned overhaul takes place", "2026-02-11T00:00:00", "2026-02-12T00:00:00"),
        ("Planned test of the turbine, Feb 11th, 2026, 14:00 to 15:00", "2026-02-11T14:00:00", "2026-02-11T15:00:00"),
        ("2026-02-11 09:30 scheduled cleaning begins", "2026-02-11T09:30:00", "2026-02-11T13:30:00"),
        (
            "2026-02-03 08:00 maintenance planned on 2026-02-11 from 9:00 to 10:00",
            "2026-02-11T09:00:00",
            "2026-02-11T10:00:00",
        ),
    ],
)
def test_planned_work_has_a_begin_and_an_end(text, begin, end):
    times = dated_times(text)
    assert is_planned_work(text)
    assert times is not None and (times.begin, times.end) == (begin, end)


@pytest.mark.parametrize(
    "text", ["planned maintenance at 10:00", "maintenance every Tuesday", "2026-13-40 10:00 planned test"]
)
def test_without_a_date_nothing_is_dated(text):
    assert dated_times(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-11 planned maintenance cancelled",
        "2026-02-11 unplanned outage",
        "2026-02-11 scheduled work finished",
        "2026-02-11 pump stuck",
    ],
)
def test_what_is_off_or_over_or_unplanned_is_no_planned_work(text):
    assert not is_planned_work(text)


@pytest.mark.parametrize("source", ["text", "log"])
def test_a_line_of_planned_work_is_benign_at_its_dates_alone(source):
    line = "2026-02-11 09:30 planned maintenance until 11:00"
    reading = read_statements([(1, line), (2, "2026-02-11 12:10 pump P1 stuck at its last value")], ["flow"], source)
    first = reading.hints[0]
    assert first.benign and first.line == 1 and first.hours is None and first.quote == line
    assert (first.times.begin, first.times.end) == ("2026-02-11T09:30:00", "2026-02-11T11:00:00")
    assert all(hint.times is None and not hint.benign for hint in reading.hints[1:])
