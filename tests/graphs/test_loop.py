"""The loop: figures decide, a brain that disagrees is overruled, and a used-up budget is a normal end."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from ape.agents.expert.model import ExpertChatModel
from ape.rules import RuleBank
from ape.rules.check import failures


class Modified(ExpertChatModel):
    """The embedded expert with one kind of answer changed."""

    def change(self, kind: str, answer: dict) -> dict:
        raise NotImplementedError

    def _generate(self, messages, *args, response_format=None, **kwargs):
        result = super()._generate(messages, *args, response_format=response_format, **kwargs)
        if response_format is None:
            return result
        answer = self.change(response_format["json_schema"]["name"], json.loads(result.generations[0].message.content))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(json.dumps(answer)))])


class YesMan(Modified):
    """Accepts every rule."""

    def change(self, kind, answer):
        if kind == "Critique":
            answer["verdicts"] = [verdict | {"verdict": "accept", "changes": []} for verdict in answer["verdicts"]]
        return answer


class Silent(Modified):
    """Gives no verdict except one on an unknown rule."""

    def change(self, kind, answer):
        if kind == "Critique":
            answer["verdicts"] = [{"rationale": "", "rule_id": "nobody", "verdict": "accept", "changes": []}]
        return answer


class Copyist(Modified):
    """Proposes its best rule twice."""

    def change(self, kind, answer):
        if kind == "Proposal":
            answer["rules"] = [answer["rules"][0], answer["rules"][0] | {"id": "copy"}]
        return answer


class Relating(Modified):
    """Proposes a rule that relates channels to a series with one channel."""

    def change(self, kind, answer):
        if kind == "Proposal":
            swap = {"program": [{"operator": "channel_swap", "parameters": []}]}
            answer["rules"] = [answer["rules"][0] | swap, *answer["rules"][1:]]
        return answer


class Idle(Modified):
    """Proposes nothing."""

    def change(self, kind, answer):
        return answer | {"rules": []} if kind == "Proposal" else answer


def entries(run, decision: str) -> list[dict]:
    return [entry for entry in run.ledger if entry["decision"] == decision and entry["rule"]]


def test_rules_are_revised_and_rejected_on_figures_that_fail(square):
    for decision in ("revise", "reject"):
        assert entries(square, decision)
        assert all(failures(entry["figures"]) for entry in entries(square, decision))


def test_rules_are_accepted_on_figures_that_pass(square, mined):
    accepted = entries(square, "accept") + entries(mined, "accept")
    assert accepted and not [entry for entry in accepted if failures(entry["figures"])]
    for run in (square, mined):
        assert {rule.id for rule in run.bank.rules} == {entry["rule"] for entry in entries(run, "accept")}


def test_every_proposed_rule_is_accepted_or_rejected(square):
    decided = {entry["rule"] for word in ("accept", "reject") for entry in entries(square, word)}
    assert decided == {entry["rule"] for entry in entries(square, "proposed")}


def test_a_revised_rule_is_measured_again(square):
    measured: dict[str, list] = {}
    for entry in entries(square, "measured"):
        measured.setdefault(entry["rule"], []).append(entry["figures"])
    revised = {entry["rule"] for entry in entries(square, "revised")}
    assert revised and all(len(measured[rule]) > 1 for rule in revised)
    assert any(measured[rule][0] != measured[rule][-1] for rule in revised)


def test_an_accepted_rule_stays_accepted(square, mined):
    for run in (square, mined):
        for entry in entries(run, "accept"):
            later = [e for e in entries(run, "measured") if e["rule"] == entry["rule"]]
            assert max(e["iteration"] for e in later) == entry["iteration"]


def test_every_decision_on_a_rule_names_its_evidence(mined):
    for entry in mined.ledger:
        if entry["decision"] in ("accept", "reject", "revise", "measured"):
            picture = entry["evidence"][-1]
            assert (mined.folder / "artefacts" / picture).is_file()


def test_the_bank_keeps_each_rules_history_with_figures(mined):
    for rule in mined.bank.rules:
        first, last = rule.history[0], rule.history[-1]
        assert (first.verdict, last.verdict) == ("proposed", "accept") and not failures(last.figures)


def test_no_rule_is_accepted_against_its_figures(watch, squares, tmp_path):
    run = watch(squares, tmp_path / "run", YesMan(), MAX_ITERATIONS=1)
    overruled = entries(run, "reject")
    assert overruled and all("against its figures" in entry["rationale"] for entry in overruled)
    assert all(failures(entry["figures"]) for entry in overruled)
    assert not [rule.id for rule in run.bank.rules if failures(rule.history[-1].figures)]


def test_without_a_verdict_no_rule_is_accepted(watch, squares, tmp_path):
    run = watch(squares, tmp_path / "run", Silent(), MAX_ITERATIONS=1)
    assert run.bank.rules == [] and entries(run, "proposed")
    assert all("no verdict" in entry["rationale"] for entry in entries(run, "reject"))


def test_a_copy_of_a_rule_is_rejected(watch, mined, tmp_path):
    run = watch(mined.series, tmp_path / "run", Copyist(), MAX_ITERATIONS=1)
    (verdict,) = [entry for entry in entries(run, "reject") if entry["rule"] == "copy"]
    assert "new" in failures(verdict["figures"])


@pytest.mark.extended
def test_rules_that_relate_channels_are_dropped_for_a_single_channel(watch, squares, tmp_path):
    result = watch(squares, tmp_path / "run", Relating())
    operators = [step.operator for rule in result.bank.rules for step in rule.program]
    assert operators and "channel_swap" not in operators


@pytest.mark.extended
def test_no_proposal_gives_an_empty_bank(watch, squares, tmp_path):
    run = watch(squares, tmp_path / "run", Idle())
    assert RuleBank.load(run.folder / "bank.json").rules == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [({"MAX_TOOL_CALLS": 1}, "undecided when the budget"), ({"MAX_ITERATIONS": 1}, "in 1 iteration")],
)
def test_a_used_up_budget_is_a_normal_end_recorded_in_the_bank(watch, squares, tmp_path, limits, said):
    run = watch(squares, tmp_path / "run", **limits)
    assert said in run.bank.ended and run.bank == RuleBank.load(run.folder / "bank.json")
    assert not entries(run, "revised")
