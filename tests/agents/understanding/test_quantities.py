"""Durations, sampling steps and relative changes in texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.quantities import changes, durations, sampling_step

HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("it lasts 5 to 10 minutes", (300, 600)),
        ("one to two hours later", (HOUR, 2 * HOUR)),
        ("for some minutes", (180, 1200)),
        ("shoots up for minutes", (120, 1200)),
        ("for an hour or two", (HOUR / 1.5, 3 * HOUR)),
        ("half an hour", (1200, 2700)),
        ("two and a half hours", (6000, 13500)),
        ("a few days", (2 * 86400, 6 * 86400)),
        ("2.5 s", (2.5 / 1.5, 3.75)),
    ],
)
def test_durations(text, seconds):
    assert durations(text) == [pytest.approx(seconds)]


@pytest.mark.parametrize(
    "text",
    ["20 times a second", "every five minutes", "per hour", "1/s", "40 km/h", "at 03:10", "long", "3 m/s"],
)
def test_rates_intervals_and_clock_times_are_no_durations(text):
    assert durations(text) == []


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("Level in m, sampled every five minutes.", 300),
        ("averages over a quarter of an hour", 900),
        ("sampled 20 times a second; one turn takes about 2 s", 0.05),
        ("sampled twice a minute", 30),
        ("recorded once a minute; a cycle takes 150 minutes", 60),
        ("ECG, lead II, at 250 Hz", 0.004),
        ("5-minute averages", 300),
        ("hourly means", HOUR),
        ("one sample per second", 1),
        ("a pump in a cellar", None),
    ],
)
def test_sampling_step(text, step):
    assert sampling_step(text) == (None if step is None else pytest.approx(step))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("flow is 20 to 30 % lower", (-0.3, -0.2)),
        ("rises by 10 %", (0.1 / 1.5, 0.15)),
        ("pressure had sunk by a third", (-0.5, -2 / 9)),
        ("load doubled", (1 / 1.5, 1.5)),
    ],
)
def test_changes_have_a_direction(text, share):
    assert changes(text) == [pytest.approx(share)]


def test_percentage_without_a_comparison_is_no_change():
    assert changes("humidity is near 100 % in fog") == []


@given(st.text(max_size=300))
def test_any_text_can_be_parsed(text):
    assert all(0 < low < high for low, high in durations(text))
    assert all(low < high for low, high in changes(text))
    assert sampling_step(text) is None or sampling_step(text) > 0
