"""Shares of incidents, evidence for what people say, and what became of each sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ape.agents.records import Hint, Inspection, Plan, Remark, Sighting
from ape.graphs.accounting import failures_of, sentence_uses, with_quote, with_shares, with_sighting
from ape.rules import Rule, broad_rule
from ape.rules.schema import Evidence, HistoryEntry

STUCK = "The float sticks now and then."
DRIFT = "The reading drifts, or drops out."
TEXT = f"A water tank. {STUCK}\n{DRIFT}\nCleaning on Mondays is normal. Qwertz uiop."


def hint(mechanism: str, quote: str, line: int, **more) -> Hint:
    return Hint(rationale="", quote=quote, line=line, mechanism=mechanism, **more)


def rule(operator: str, *quotes: tuple[str, int], weight: float = 1.0, identity: str = "") -> Rule:
    evidence = [Evidence(kind="text", id="text", quote=quote, line=line) for quote, line in quotes]
    changes = {"weight": weight, "evidence": evidence, "id": identity or operator}
    return broad_rule(operator).model_copy(update=changes)


PLAN = Plan(
    rationale="",
    scenario="",
    channels=["a"],
    hints=[
        hint("stuck_sensor", "The float sticks", 1),
        hint("gradual_drift", "The reading drifts", 2, unresolved=["3 mol/l"]),
        hint("signal_loss", "or drops out", 2),
        hint("abrupt_change", "Cleaning on Mondays is normal.", 3, benign=True),
    ],
    remarks=[Remark(line=1, quote="A water tank.", use="normal")],
)


def uses(rules=(), benign=(), rejected=()) -> dict[str, tuple]:
    found = sentence_uses(TEXT, PLAN, rules, benign, rejected)
    return {each.text: (each.use, each.rules, each.reason) for each in found}


def test_every_sentence_has_one_use():
    stuck, drift = rule("flatline_hold", (STUCK, 1)), rule("trend_drift", ("The reading drifts", 2))
    cleaning = rule("level_shift", ("Cleaning on Mondays is normal.", 3), identity="cleaning")
    found = uses([stuck, drift], [cleaning])
    assert list(found) == ["A water tank.", STUCK, DRIFT, "Cleaning on Mondays is normal.", "Qwertz uiop."]
    assert found["A water tank."] == ("normal", [], "")
    assert found[STUCK] == ("rule", ["flatline_hold"], "")
    assert found[DRIFT][:2] == ("rule", ["trend_drift"])
    assert "3 mol/l" in found[DRIFT][2] and "signal loss" in found[DRIFT][2]
    assert found["Cleaning on Mondays is normal."] == ("benign", ["cleaning"], "")
    assert found["Qwertz uiop."] == ("not understood", [], "")


def test_a_failure_without_a_rule_says_which_figure_failed():
    history = [HistoryEntry(agent="rule critic", iteration=0, verdict="reject", reason="", figures=FIGURES)]
    rejected = rule("flatline_hold", (STUCK, 1)).model_copy(update={"history": history})
    use, rules, reason = uses(rejected=[rejected])[STUCK]
    assert (use, rules) == ("no rule", []) and reason == "stuck sensor: hardly differs from normal data"
    use, _, reason = uses()["Cleaning on Mondays is normal."]
    assert use == "no rule" and reason.startswith("normal, but")


FIGURES = {"visible": 0.5, "border": 0.5, "plausible": 1.0, "own": 1.0, "new": 1.0, "placed": 1.0}


def test_a_holiday_without_a_rule_says_that_it_needs_times():
    quote = "A holiday runs like a Sunday."
    plan = PLAN.model_copy(update={"hints": [hint("abrupt_change", quote, 1, benign=True, like_weekdays=[6])]})
    [use] = sentence_uses(quote, plan, [], [], [])
    assert use.use == "no rule" and "it needs times in the data" in use.reason


def test_lines_of_a_log_that_name_something_are_listed():
    plan = PLAN.model_copy(update={"hints": [hint("transient", "a spike came", 7, source="log")]})
    spike = rule("spike_global").model_copy(
        update={"evidence": [Evidence(kind="text", id="log", quote="a spike came", line=7)]}
    )
    [found] = sentence_uses(None, plan, [spike], [], [])
    assert (found.source, found.line, found.use, found.rules) == ("log", 7, "rule", ["spike_global"])


def test_named_rules_have_nine_tenths_of_all_incidents_at_least():
    named, other = rule("flatline_hold", (STUCK, 1), weight=0.2), rule("level_shift", weight=0.6)
    assert [each.weight for each in with_shares([named, other])] == [0.9, 0.1]
    assert [each.weight for each in with_shares([named.model_copy(update={"weight": 19.0}), other])] == [0.969, 0.031]
    assert [each.weight for each in with_shares([other, rule("trend_drift", weight=0.2)])] == [0.75, 0.25]


@given(st.lists(st.tuples(st.floats(0.001, 100), st.booleans()), min_size=1, max_size=8))
def test_shares_are_positive_and_sum_to_one(given_weights):
    rules = [rule("level_shift", *([(STUCK, 1)] if named else []), weight=weight) for weight, named in given_weights]
    weights = [each.weight for each in with_shares(rules)]
    assert min(weights) > 0 and sum(weights) == pytest.approx(1, abs=0.001 * len(weights))


def test_a_rule_that_cites_nobody_gets_the_words_that_name_it():
    failures = failures_of(PLAN)
    assert with_quote(rule("flatline_hold"), failures).evidence[0].quote == "The float sticks"
    assert with_quote(rule("noise_burst"), failures).evidence == []
    cited = rule("flatline_hold", ("my own words", 9))
    assert with_quote(cited, failures) == cited


def test_a_rule_gets_the_sighting_that_supports_it():
    def saw(look: str, strength: float, channel: str = "a") -> Sighting:
        return Sighting(rationale="", look=look, channel=channel, left=0, right=9, strength=strength, evidence=look)

    sightings = [saw("rough_line", 1.0), saw("sharp_peaks", 0.4), saw("regular_cycles", 0.9)]
    seen = Inspection(rationale="", sees_pictures=True, sightings=sightings)
    [evidence] = with_sighting(rule("clip_saturate"), seen).evidence
    assert (evidence.kind, evidence.id) == ("picture", "sharp_peaks")
    assert with_sighting(rule("noise_burst"), seen).evidence == []
    elsewhere = rule("clip_saturate")
    elsewhere = elsewhere.model_copy(update={"context": elsewhere.context.model_copy(update={"channels": ["b"]})})
    assert with_sighting(elsewhere, seen).evidence == []
