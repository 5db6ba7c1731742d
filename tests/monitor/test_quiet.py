"""What benign rules keep quiet: which spans, why, and in which words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ape.monitor import Quieted, read_events, write_events
from ape.monitor.answer import Answer
from ape.monitor.quiet import quieted
from ape.monitor.spans import Span
from ape.posttrain.assessment import Assessment, Quiet
from ape.rules import RuleBank, broad_rule, build_context
from ape.rules.schema import Evidence
from ape.series import from_array

LOUD = [(2400, 2440), (2600, 2640)]
BACKUP = broad_rule("level_shift").model_copy(
    update={"id": "backup", "evidence": [Evidence(kind="text", id="text", line=4, quote="Nightly backup is normal.")]}
)
OTHER = broad_rule("noise_burst").model_copy(update={"id": "start"})


@pytest.fixture
def context(context_of, wave):
    bank = RuleBank(context=build_context(from_array(wave)), benign=[OTHER, BACKUP])
    return context_of(wave, bank=bank)


def assessment(context, rule=1):
    """Two spans that would be loud; the benign rule can hold at both."""
    loud, rules = np.zeros(context.series.length, np.float32), np.full(context.series.length, -1)
    for begin, end in LOUD:
        loud[begin:end], rules[begin + 5 : end] = 5, rule
    return Assessment(np.zeros_like(loud), np.ones((len(loud), 1)), quiet=Quiet(loud, rules, ("start", "backup")))


def test_spans_without_an_alarm_are_quiet_because_of_the_rule(context):
    first, second = quieted(assessment(context), [], context)
    assert (first.begin, first.end, first.rule, first.score) == (*LOUD[0], "backup", 5.0)
    assert (second.begin, second.end) == LOUD[1]
    assert "quiet because of 'backup' (line 4 of notes.txt: \"Nightly backup is normal.\")" in first.reason


def test_a_rule_without_a_text_is_named_alone(context):
    first, _ = quieted(assessment(context, rule=0), [], context)
    assert first.rule == "start" and first.reason.endswith("quiet because of 'start'")


def test_what_raises_an_alarm_all_the_same_is_not_quiet(context):
    (only,) = quieted(assessment(context), [Span(2430, 2470, 4.0)], context)
    assert (only.begin, only.end) == LOUD[1]


def test_spans_where_no_benign_rule_can_hold_are_not_quiet(context):
    assert quieted(assessment(context, rule=-1), [], context) == ()
    assert quieted(Assessment(np.zeros(3000), np.ones((3000, 1))), [], context) == ()


def test_events_json_lists_what_is_quiet_only_if_there_is_something(context, tmp_path):
    assessed = assessment(context)
    for quiet in ((), quieted(assessed, [], context)):
        answer = Answer(context.series, assessed, assessed.score, context.threshold, (), context, quiet)
        write_events(tmp_path, answer)
        stored = json.loads((tmp_path / "events.json").read_text())
        assert read_events(tmp_path) == stored
        assert [each["rule"] for each in stored.get("quiet", [])] == ["backup"] * len(quiet)
    assert stored["quiet"][0] == {
        "start": 2400,
        "end": 2440,
        "start_time": None,
        "end_time": None,
        "score": 5.0,
        "rule": "backup",
        "reason": quiet[0].reason,
    }
    assert isinstance(quiet[0], Quieted)
