"""Durations and sampling steps in texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.understanding.quantities import durations, in_samples, sampling_step

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
        ("unsteady in the first minutes after a start", (120, 1200)),
        ("the first hour after start-up", (720, HOUR)),
        ("in the first half hour after switching on", (360, 1800)),
        ("the first half an hour following a restart", (360, 1800)),
        ("for the first quarter of an hour", (180, 900)),
        ("the first 10 minutes after a restart", (400, 900)),
    ],
)
def test_durations(text, seconds):
    assert durations(text) == [pytest.approx(seconds)]


@pytest.mark.parametrize(
    "text",
    [
        "20 times a second",
        "every five minutes",
        "per hour",
        "1/s",
        "40 km/h",
        "at 03:10",
        "long",
        "3 m/s",
        "the first hours of the night",
    ],
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
    ("text", "seconds"),
    [
        ("for most of an hour", (1800, HOUR)),
        ("up to 3 hours", (HOUR * 0.6, 3 * HOUR)),
        ("at least 2 h", (2 * HOUR, 6 * HOUR)),
        ("all night", (21_000, 33_000)),
        ("1 h 30 min", (HOUR, 8100)),
        ("for 3 samples", (20, 45)),
        ("for a few scans", (20, 60)),
    ],
)
def test_lengths_in_words_and_samples(text, seconds):
    assert durations(text, step_seconds=10.0) == [pytest.approx(seconds)]


def test_length_comes_before_other_spans():
    assert durations("the job is 3 h late, then it lasts 20 to 30 minutes") == [(1200, 1800)]
    assert durations("a 5 minute job hangs for 2 to 3 hours")[0] == (2 * HOUR, 3 * HOUR)


def test_samples_without_a_step_are_told():
    assert durations("it freezes for 3 scans") == [] and in_samples("it freezes for 3 scans") == (2.0, 4.5)


@given(st.text(max_size=300))
def test_any_text_can_be_parsed(text):
    assert all(0 < low < high for low, high in durations(text))
    assert sampling_step(text) is None or sampling_step(text) > 0
