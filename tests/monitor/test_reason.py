"""The sentence about an event."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ape.monitor.event import Finding
from ape.monitor.reason import reason
from ape.rules import broad_bank, build_context
from ape.rules.schema import Evidence

from .conftest import LENGTH

LEVEL = Finding(
    "value",
    "level",
    "level 20 percentage points above what is usual there (62 instead of 42 %)",
    62.0,
    (40.0, 44.0),
    "%",
)


@pytest.fixture
def context(context_of, wave):
    """A series by the minute, of the zone +01:00, with a bank of two rules; the first is from the second line."""
    times = pd.date_range("2026-03-05 20:20", periods=LENGTH, freq="1min").to_numpy()
    plain = context_of(wave)
    bank = broad_bank(build_context(plain.series), ["level_shift", "flatline_hold"])
    bank.rules[0].evidence = [
        Evidence(kind="tool", id="robust_stats"),
        Evidence(kind="text", id="text", line=2, quote="A cron job\n runs away."),
    ]
    offsets = np.full(LENGTH, 3600, np.int32)
    return context_of(wave, bank=bank, timestamps=times, zone="+01:00", clock_offset=offsets, step=60.0)


def test_the_whole_sentence(context, event_of):
    rule = context.bank.rules[0].id
    event = event_of(context, rules=((rule, 0.9), (None, 0.1)), score=4.0)
    assert reason(event, (LEVEL,), context) == (
        "2026-03-07 13:20 to 14:19 (+01:00), "
        "level 20 percentage points above what is usual there (62 instead of 42 %), "
        f"like '{rule}' (line 2 of notes.txt: \"A cron job runs away.\"); expected by chance once in a week"
    )


def test_named_channels_are_named(context, event_of):
    context = replace(context, series=replace(context.series, named=True))
    assert "(+01:00), value: level 20 " in reason(event_of(context), (LEVEL,), context)


def test_an_event_that_goes_on(context, event_of):
    text = reason(event_of(context, ongoing=True), (LEVEL,), context)
    assert text.startswith("since 2026-03-07 13:20 (+01:00), still going on at the end of the data, ")


@pytest.mark.parametrize(
    ("best", "probability", "words"),
    [
        (None, 0.8, "not like any of the rules"),
        ("broad", 0.42, "perhaps like 'broad', 42 %"),
        ("broad", 0.2, "not like any of the rules"),
        ("of another bank", 0.9, "like 'of another bank';"),
    ],
)
def test_rules_that_are_not_likely(context, event_of, best, probability, words):
    event = event_of(context, rules=((best, probability),))
    assert words in reason(event, (LEVEL,), context)


def test_a_detector_without_rules_names_none(context, event_of):
    assert "like" not in reason(event_of(context), (LEVEL,), context)


def test_the_mechanism_explains_a_pattern(context, event_of):
    unlike = replace(LEVEL, kind="unlike", text="a pattern unlike normal data")
    event = event_of(context, rules=((context.bank.rules[1].id, 0.7),))
    assert "(the reading freezes at a value)" in reason(event, (unlike,), context)


def test_long_quotes_are_cut(context, event_of):
    context.bank.rules[0].evidence[1].quote = "word " * 50
    text = reason(event_of(context, rules=((context.bank.rules[0].id, 0.9),)), (LEVEL,), context)
    assert 'word ..."' in text and text.count("word") <= 20


def test_channels_of_which_the_same_is_true_are_listed(context, event_of):
    found = [replace(LEVEL, channel=name, text="no values for 3 hours", kind="missing") for name in "abc"]
    event = replace(event_of(context), channels=tuple((name, 0.2) for name in "abcde"))
    context = replace(context, series=replace(context.series, named=True))
    text = reason(event, found, context)
    assert text.endswith("a, b and c: no values for 3 hours; and 2 more channels")  # and no chance: it was not measured


def test_the_rule_belongs_to_all_channels(context, event_of):
    found = [replace(LEVEL, channel="a"), replace(LEVEL, channel="b", text="varies 4 times as much as usual there")]
    context = replace(context, series=replace(context.series, named=True))
    text = reason(event_of(context, channels=("a", "b"), rules=((None, 0.9),)), found, context)
    assert "; b: varies 4 times as much as usual there; not like any of the rules; expected by chance" in text


def test_names_of_channels_stay_on_one_line(context, event_of):
    context = replace(context, series=replace(context.series, named=True))
    assert "a b: level" in reason(event_of(context), (replace(LEVEL, channel="a\n b"),), context)
