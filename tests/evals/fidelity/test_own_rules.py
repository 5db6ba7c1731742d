"""The sentence about a fault, the rules that come from it, and the best that one bank could reach."""

from __future__ import annotations

import math

import pytest

from ape.agents.understanding.sentences import sentences
from ape.evals.fidelity.own_rules import BY_HAND, ceilings, own_rule, sentence_by_words, sentence_with
from ape.evals.timeanomalybench import SCENARIOS
from ape.rules import RuleBank, broad_rule
from ape.rules.schema import SentenceUse

TUNING = [scenario for scenario in SCENARIOS.values() if not scenario.confirmation]


def manual(scenario) -> list[str]:
    return [each.text for each in sentences(enumerate(scenario.texts.manual.splitlines(), 1))]


@pytest.mark.parametrize("scenario", TUNING, ids=lambda scenario: scenario.name)
def test_every_fault_of_the_tuning_scenarios_has_a_sentence(scenario):
    assert set(BY_HAND[scenario.name]) == {fault.name for fault in scenario.faults}
    assert all(sentence_with(manual(scenario), words) for words in BY_HAND[scenario.name].values())


def test_shared_words_mostly_find_the_sentence_that_a_person_chose():
    found = [
        sentence_by_words(manual(scenario), f"{fault.name} {fault.note}")
        == sentence_with(manual(scenario), BY_HAND[scenario.name][fault.name])
        for scenario in TUNING
        for fault in scenario.faults
    ]
    assert sum(found) >= 0.75 * len(found)


def test_only_rules_of_the_sentence_count(context):
    scenario = SCENARIOS["stirred_reactor"]
    fault = next(fault for fault in scenario.faults if fault.name == "thermocouple_noise")
    text = sentence_with(manual(scenario), BY_HAND[scenario.name][fault.name])
    rules = [broad_rule("noise_burst"), broad_rule("level_shift")]

    def figures(cited: str) -> dict[str, float]:
        said = SentenceUse(line=1, text=text, use="rule", rules=[cited])
        return own_rule(RuleBank(context=context, rules=rules, sentences=[said]), scenario, fault)

    assert figures("noise_burst") == {"own_mechanism": 1.0, "own_morphology": 1.0}
    assert figures("level_shift") == {"own_mechanism": 0.0, "own_morphology": 0.0}
    without = own_rule(RuleBank(context=context, rules=rules), scenario, fault)
    assert all(math.isnan(value) for value in without.values())


def test_no_bank_can_have_all_mechanisms_first():
    faults = SCENARIOS["pumped_tank"].faults  # two of five have the same mechanism
    best = [ceilings(faults, fault, (1, 3, 5)) for fault in faults]
    assert [sum(each[f"ceiling@{k}"] for each in best) for k in (1, 3, 5)] == [2, 4, 5]
