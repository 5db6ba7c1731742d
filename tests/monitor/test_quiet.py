"""What benign rules keep quiet: which spans, why, and in which words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ape.monitor import Quieted, read_events, write_events
from ape.monitor.answer import Answer
from ape.monitor.quiet import quiet_events, settled
from ape.monitor.spans import Span
from ape.posttrain.assessment import Assessment, Quiet
from ape.rules import RuleBank, broad_rule, build_context
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, Range, ScalePrior, Times
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


def able(rules, count):
    """Where each benign rule can hold, from the one that says most."""
    return rules[:, None] == np.arange(count)


def assessment(context, rule=1):
    """Two spans that would be loud; the benign rule can hold at both."""
    loud, rules = np.zeros(context.series.length, np.float32), np.full(context.series.length, -1)
    for begin, end in LOUD:
        loud[begin:end], rules[begin:end] = 5, rule
    return Assessment(
        np.zeros_like(loud), np.ones((len(loud), 1)), quiet=Quiet(loud, rules, able(rules, 2), ("start", "backup"))
    )


def quiet_spans(assessed, context):
    kept, quiet = settled(assessed, assessed.score, [], context)
    assert kept == []
    return quiet


def test_spans_without_an_alarm_are_quiet_because_of_the_rule(context):
    first, second = quiet_spans(assessment(context), context)
    assert (first.begin, first.end, first.rule, first.score) == (*LOUD[0], "backup", 5.0)
    assert (second.begin, second.end) == LOUD[1]
    assert "quiet because of 'backup' (line 4 of notes.txt: \"Nightly backup is normal.\")" in first.reason


def test_a_rule_without_a_text_is_named_alone(context):
    first, _ = quiet_spans(assessment(context, rule=0), context)
    assert first.rule == "start" and first.reason.endswith("quiet because of 'start'")


def test_edges_of_what_is_quiet_raise_no_alarm(context):
    edges = [Span(2400, 2405, 4.0), Span(2438, 2440, 4.0), Span(2600, 2630, 4.0)]
    assessed = assessment(context)
    for begin, end, _ in edges:
        assessed.score[begin:end] = 4
    kept, (only,) = settled(assessed, assessed.score, edges, context)
    assert (only.begin, only.end) == LOUD[0] and kept == [edges[2]]  # most of the last one is loud all the same


@pytest.mark.parametrize(("size", "length", "is_quiet"), [(2, 30, True), (20, 30, False), (2, 40, False), (0, 0, True)])
def test_what_is_larger_or_longer_than_the_rule_says_raises_an_alarm(context_of, wave, size, length, is_quiet):
    changed = wave.copy()
    changed[LOUD[0][0] : LOUD[0][0] + length] += size
    rule = BACKUP.model_copy(
        update={
            "scale": ScalePrior(low=1, high=3, unit="data"),
            "duration": DurationPrior(low=5, high=22, unit="samples"),
        }
    )
    bank = RuleBank(context=build_context(from_array(wave)), benign=[OTHER, rule])
    context = context_of(changed, bank=bank)
    kept, quiet = settled(assessment(context), np.zeros(len(wave)), [], context)
    assert [each.begin for each in quiet] == ([2400] * is_quiet) + [2600]
    assert kept == ([] if is_quiet else [Span(*LOUD[0], 5.0)])


@pytest.mark.parametrize(
    ("starts", "lasts", "is_quiet"), [(True, True, True), (True, False, False), (False, False, True)]
)
def test_what_comes_after_a_change_needs_a_change_that_lasts_as_in_normal_data(context_of, starts, lasts, is_quiet):
    values = 10 + 0.05 * np.random.default_rng(0).standard_normal(3000)
    if starts:
        values[:2000] += 20 * (np.arange(2000) % 400 >= 200)
    values[2400:2410] += np.linspace(6, 8, 10)  # the end is a larger step than the begin
    values[2400:2600] += 20 * lasts
    rule = BACKUP.model_copy(
        update={
            "scale": ScalePrior(low=1, high=40, unit="data"),
            "duration": DurationPrior(low=2, high=20, unit="samples"),
            "context": ContextualPrior(after_change=Range(low=0, high=12)),
        }
    )
    context = context_of(values, bank=RuleBank(context=build_context(from_array(values[:2000])), benign=[rule]))
    loud, rules = np.zeros(3000, np.float32), np.full(3000, -1)
    loud[2400:2412], rules[2400:2432] = 5, 0
    assessed = Assessment(np.zeros(3000), np.ones((3000, 1)), quiet=Quiet(loud, rules, able(rules, 1), ("backup",)))
    kept, quiet = settled(assessed, assessed.score, [], context)
    assert len(quiet) == is_quiet and len(kept) == (not is_quiet)


def test_spans_where_no_benign_rule_can_hold_are_not_quiet(context):
    raised = [Span(*LOUD[0], 5.0)]
    assessed = assessment(context, rule=-1)
    assert settled(assessed, assessed.score, raised, context) == (raised, ())
    without = Assessment(np.zeros(3000), np.ones((3000, 1)))
    assert settled(without, without.score, raised, context) == (raised, ())


@pytest.mark.parametrize(
    ("begin", "end", "is_quiet"),
    [(2400, 2460, True), (2410, 2430, True), (2370, 2490, True), (2300, 2460, False), (2400, 2520, False)],
)
def test_events_during_planned_work_are_quiet_whatever_they_look_like(context_of, event_of, wave, begin, end, is_quiet):
    clock = np.datetime64("2026-03-01T00:00") + np.arange(len(wave)) * np.timedelta64(1, "m")
    times = Times(begin=str(clock[2400].astype("datetime64[s]")), end=str(clock[2460].astype("datetime64[s]")))
    work = BACKUP.model_copy(update={"id": "work", "context": ContextualPrior(times=[times])})
    bank = RuleBank(context=build_context(from_array(wave)), benign=[OTHER, work])
    context = context_of(wave, bank=bank, timestamps=clock)
    event = event_of(context, begin, end)
    kept, quiet = quiet_events([event], context)
    assert kept == ([] if is_quiet else [event])
    assert [(each.begin, each.end, each.rule) for each in quiet] == ([(begin, end, "work")] if is_quiet else [])


def test_planned_work_needs_times_in_the_data(context_of, event_of, wave):
    times = Times(begin="2026-03-01T00:00:00", end="2026-03-09T00:00:00")
    work = BACKUP.model_copy(update={"context": ContextualPrior(times=[times])})
    context = context_of(wave, bank=RuleBank(context=build_context(from_array(wave)), benign=[work]))
    event = event_of(context)
    assert quiet_events([event], context) == ([event], ())


def test_events_json_lists_what_is_quiet_only_if_there_is_something(context, tmp_path):
    assessed = assessment(context)
    for quiet in ((), quiet_spans(assessed, context)):
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
