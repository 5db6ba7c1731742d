"""The embedded planner: hints of the text, and rules that the evidence supports."""

from __future__ import annotations

from typing import Any

import pytest

from ape.agents.expert.drafts import write_draft
from ape.agents.expert.planner import plan
from ape.agents.expert.selection import select, select_benign
from ape.agents.expert.transcript import ToolResult, Transcript
from ape.agents.records import Profile, Proposal

TIMING = "timing_disturbance"


@pytest.fixture
def propose(answer_of):
    """Propose rules for a profile and hints."""

    def run(profile: Profile, hints: list[dict[str, Any]] | None = None) -> Proposal:
        task = {
            "task": "propose",
            "channels": ["value"],
            "plan": {"scenario": "", "channels": ["value"], "hints": hints or []},
            "profile": profile.model_dump(),
            "inspection": {"sees_pictures": False, "sightings": []},
        }
        return answer_of("planner", task, Proposal)

    return run


@pytest.mark.parametrize(
    ("line", "mechanism"),
    [
        ("The float sensor gets stuck when the tank is low.", "stuck_sensor"),
        ("Vibration makes the readings noisy.", "noise_increase"),
    ],
)
def test_sentence_becomes_a_hint_with_quote_and_line(planning, edited, line, mechanism):
    assert planning.answer.hints == []
    lines = [{"line": 1, "text": "Level of a water tank"}, {"line": 2, "text": line}]
    hints = planning.answer_after(edited(planning.conversations[-1], "read_text", lines=lines)).hints
    assert [(hint.mechanism, hint.line, hint.quote in line) for hint in hints] == [(mechanism, 2, True)]


def test_denied_failure_is_no_hint(planning, edited):
    lines = [{"line": 1, "text": "The sensor was never stuck. It is not noisy."}]
    assert planning.answer_after(edited(planning.conversations[-1], "read_text", lines=lines)).hints == []


def test_no_timing_rules_without_a_period(profiling, edited, propose):
    first_round = profiling.conversations[1]
    measured = profiling.answer_after(first_round)
    without_period = profiling.answer_after(edited(first_round, "autocorrelation", period=None))
    assert without_period.period is None
    hint = {"rationale": "", "quote": "a cycle comes late", "line": 1, "mechanism": TIMING}
    assert TIMING in {rule.mechanism for rule in propose(measured, [hint]).rules}
    assert TIMING not in {rule.mechanism for rule in propose(without_period, [hint]).rules}


def test_hint_leads_to_rules_of_its_mechanism(profiling, propose):
    hint = {"rationale": "", "quote": "gets stuck", "line": 2, "mechanism": "stuck_sensor"}
    rules = propose(profiling.answer, [hint]).rules
    quotes = [(e.quote, e.line) for rule in rules if rule.mechanism == "stuck_sensor" for e in rule.evidence]
    assert ("gets stuck", 2) in quotes
    assert propose(profiling.answer).rules != rules


FINDINGS = [{"term": term, "strength": 0.9, "channel": "a", "evidence": []} for term in ("periodic", "recurrent_shape")]
SERIES = {
    "channels": ["a", "b", "c"], "median": [50.0, 2.0, 0.0], "robust_sd": [5.0, 0.1, 1.0],
    "relative_spread": [0.1, 0.1, 1.0], "groups": [], "training_points": 6000, "first_time": "2024-01-01 00:00",
}  # fmt: skip


def hint(mechanism: str, line: int = 1, **more: Any) -> dict[str, Any]:
    return {"rationale": "", "quote": f"{mechanism} on line {line}", "line": line, "mechanism": mechanism} | more


def transcript(*hints: dict[str, Any], series: dict[str, Any] = SERIES, **more: Any) -> Transcript:
    task = {
        "task": "propose",
        "channels": series["channels"],
        "training_points": series["training_points"],
        "plan": {"hints": list(hints), "step_seconds": 60.0},
        "profile": {"findings": FINDINGS, "period": 200},
        "inspection": {"sightings": []},
        **more,
    }
    return Transcript("planner", task, [ToolResult("describe_series", {}, series, "tool-1")])


def draft_of(**said: Any):
    known = transcript(hint(said.pop("mechanism", "abrupt_change"), **said))
    return write_draft(known, select(known)[0][0])


def test_the_same_failure_named_twice_is_one_rule():
    wanted = select(transcript(hint("stuck_sensor", 1), hint("stuck_sensor", 2)))
    assert [len(choices[0].hints) for choices in wanted if choices[0].hints] == [2]


def test_named_failures_lead_and_the_series_fills_up_to_four():
    for named in (["stuck_sensor"], ["stuck_sensor", "gradual_drift", "transient"]):
        wanted = select(transcript(*(hint(mechanism, line) for line, mechanism in enumerate(named, 1))))
        assert len(wanted) == 4
        assert {choices[0].mechanism for choices in wanted[: len(named)]} == set(named)
        assert sum(choices[0].weight for choices in wanted[: len(named)]) == pytest.approx(0.9, abs=0.001)
        assert sum(choices[0].weight for choices in wanted) == pytest.approx(1, abs=0.001)


def test_what_an_unclear_sentence_may_mean_instead_takes_a_free_place():
    unclear = hint("stuck_sensor", second_mechanism="damping", second_strength=0.4)
    wanted = select(transcript(unclear, hint("transient", 2)))
    weights = {choices[0].mechanism: choices[0].weight for choices in wanted if choices[0].hints}
    assert set(weights) == {"stuck_sensor", "transient", "damping"} and len(wanted) == 4
    assert weights["stuck_sensor"] > weights["damping"] > 0.1
    four = ["stuck_sensor", "gradual_drift", "transient", "signal_loss"]
    named = [hint(mechanism, line) for line, mechanism in enumerate(four, 1)]
    named[0] |= {"second_mechanism": "damping", "second_strength": 0.4}
    assert [choices[0].mechanism for choices in select(transcript(*named))] == four
    twice = select(transcript(unclear, hint("damping", 2)))
    assert [choices[0].mechanism for choices in twice].count("damping") == 1


def test_a_text_with_many_failures_gives_a_rule_for_each_and_no_other():
    named = ["stuck_sensor", "gradual_drift", "transient", "signal_loss", "saturation", "damping"]
    wanted = select(transcript(*(hint(mechanism, line) for line, mechanism in enumerate(named, 1))))
    assert [choices[0].mechanism for choices in wanted] == named
    assert 3 <= len(select(transcript())) <= 5


def test_frequent_failures_have_larger_shares():
    wanted = select(transcript(hint("stuck_sensor", 1, share=4), hint("transient", 2, share=0.5)))
    shares = {choices[0].mechanism: choices[0].weight for choices in wanted if choices[0].hints}
    assert shares["stuck_sensor"] == pytest.approx(8 * shares["transient"], rel=0.01)


def test_what_is_normal_gives_benign_rules_only():
    known = transcript(hint("abrupt_change", benign=True))
    assert not [choices for choices in select(known) if choices[0].hints]
    [choice] = select_benign(known)
    assert choice.mechanism == "abrupt_change" and choice.id.startswith("normal-")
    [choice] = select_benign(transcript(hint("misplaced_pattern", benign=True, strength=0.3)))
    assert choice.kind.operator == "level_shift"


def test_a_sensor_that_sticks_is_flat_whatever_else_the_sentence_names():
    assert draft_of(mechanism="stuck_sensor", morphology="step").program[0].operator == "flatline_hold"
    assert draft_of(mechanism="gain_change", morphology="step").program[0].operator == "level_shift"


def test_sizes_are_in_the_unit_of_the_channel_they_are_said_of():
    scale = draft_of(amount={"low": -3, "high": -2}, channels=["a"]).scale
    assert (scale.low, scale.high, scale.unit, scale.direction) == (2, 3, "data", "down")
    scale = draft_of(change={"low": 0.1, "high": 0.2}, channels=["a"]).scale
    assert (scale.low, scale.high, scale.unit, scale.direction) == (5, 10, "data", "up")
    scale = draft_of(change={"low": 0.1, "high": 0.1}, channels=["a", "b"]).scale
    assert (scale.low, scale.high, scale.unit) == (1, 2, "series_sd")
    assert draft_of(amount={"low": 2, "high": 3}).scale.unit == "series_sd"


def test_lengths_and_times_become_priors():
    draft = draft_of(
        seconds={"low": 1200, "high": 2400}, hours={"low": 2, "high": 4}, weekdays=[0, 1], after_change=True,
        acts_on="process",
    )  # fmt: skip
    assert (draft.duration.low, draft.duration.high, draft.duration.unit) == (20, 40, "samples")
    context = draft.context
    assert (context.hours.low, context.hours.high, context.weekdays) == (2, 4, [0, 1])
    assert context.after_change.low == 0 and 12 <= context.after_change.high <= 50 and draft.acts_on == "process"


def test_what_is_normal_after_a_change_begins_with_it_and_lasts_a_short_time():
    known = transcript(hint("abrupt_change", benign=True, after_change=True))
    draft = write_draft(known, select_benign(known)[0])
    assert (draft.context.after_change.low, draft.context.after_change.high) == (0, 12)
    assert (draft.duration.low, draft.duration.high, draft.duration.unit) == (4, 40, "samples")


def test_days_that_look_like_others_need_times_and_two_weeks_of_training_data():
    like = hint("abrupt_change", benign=True, like_weekdays=[6])
    work = hint("abrupt_change", benign=True, times={"begin": "2024-02-01T08:00:00", "end": "2024-02-01T09:00:00"})
    no_clock = {name: value for name, value in SERIES.items() if name != "first_time"}
    assert select_benign(transcript(like)) == []  # 6,000 minutes
    assert select_benign(transcript(like, work, series=no_clock)) == []
    [choice] = select_benign(transcript(work))
    assert write_draft(transcript(work), choice).context.times[0].end == "2024-02-01T09:00:00"


def test_without_a_clock_there_are_no_hours():
    series = {name: value for name, value in SERIES.items() if name != "first_time"}
    known = transcript(hint("abrupt_change", hours={"low": 2, "high": 4}, weekdays=[0]), series=series)
    context = write_draft(known, select(known)[0][0]).context
    assert context.hours is None and context.weekdays == []


@pytest.mark.parametrize(
    ("quote", "channels", "spread"),
    [
        ("flow and pressure jump", ["a", "b"], "all"),
        ("a or b jumps", ["a", "b"], "some"),
        ("a jumps", ["a"], "one"),
        ("it jumps", [], "some"),
    ],
)
def test_channels_that_are_named_together_change_together(quote, channels, spread):
    assert draft_of(quote=quote, channels=channels).context.spread == spread


def test_a_lost_failure_gets_another_operator_of_its_mechanism(answer_of):
    known = transcript(hint("transient"))
    lost = [{"hint": hint("transient"), "tried": ["spike_context"]}]
    task = {**known.task, "task": "revise", "rules": [], "missing": ["transient"], "lost": lost, "ids": ["spike-local"]}
    [rule] = answer_of("planner", task, Proposal).rules
    assert rule.mechanism == "transient" and rule.program[0].operator not in ("spike_context",)
    assert rule.id != "spike-local" and rule.evidence[0].quote == "transient on line 1"


def test_channels_that_people_speak_of_are_studied_then_one_of_each_group():
    names = [f"s{number}" for number in range(52)]
    groups = [
        {"representative": name, "size": size, "channels": [name]} for name, size in (("s7", 9), ("s40", 5), ("s9", 1))
    ]
    described = SERIES | {"channels": names, "groups": groups, "more": False}
    lines = [{"line": 1, "text": "The sensor s51 sticks at its last reading."}]
    results = [
        ToolResult("describe_series", {}, described, "tool-1"),
        ToolResult("read_text", {}, {"lines": lines, "more": False}, "tool-2"),
    ]
    assert plan(Transcript("planner", {"task": "plan"}, results)).channels == ["s51", "s7", "s40", "s9"]


def test_lengths_in_samples_need_no_clock():
    said = hint("stuck_sensor", samples={"low": 10, "high": 20})
    known = transcript(said, plan={"hints": [said], "step_seconds": None})
    duration = write_draft(known, select(known)[0][0]).duration
    assert (duration.low, duration.high, duration.unit) == (10, 20, "samples")


@pytest.mark.parametrize("named", [True, False])
def test_a_size_and_a_length_that_people_name_are_kept_in_a_revision(answer_of, named):
    priors = {"amount": {"low": 2.0, "high": 3.0}, "seconds": {"low": 1200.0, "high": 2400.0}} if named else {}
    known = transcript(hint("abrupt_change", morphology="step", direction="up", channels=["a"], **priors))
    before = write_draft(known, select(known)[0][0])
    changes = [{"field": "scale", "factor": 1.5}, {"field": "duration", "factor": 1.3}]
    figures = {"visible": 0.5, "realised_low": 1.0, "realised_high": 2.0}
    item = {"rule": before.model_dump(), "figures": figures, "changes": changes}
    task = {**known.task, "task": "revise", "rules": [item], "missing": [], "lost": [], "ids": [before.id]}
    [after] = answer_of("planner", task, Proposal).rules
    assert (after.scale.high == before.scale.high) == (after.duration.high == before.duration.high) == named
    assert after.scale.low > before.scale.low and after.duration.low > before.duration.low
    assert after.context.activity == (["low"] if named else before.context.activity)
