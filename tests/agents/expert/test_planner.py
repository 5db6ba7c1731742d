"""The embedded planner: hints of the text, and rules that the evidence supports."""

from __future__ import annotations

from typing import Any

import pytest

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
