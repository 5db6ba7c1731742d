"""Parts of the loop can be left out; the critic asks for what the bank lacks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from support import mine_into

from ape.agents import Brain
from ape.agents.expert.model import ExpertChatModel
from ape.core.errors import InputError
from ape.graphs import mine
from ape.graphs.state import MAX_ITERATIONS
from ape.rules.check import failures


class Refusing(ExpertChatModel):
    """The embedded expert, with a critic that rejects rules of a mechanism, or all rules, in some iterations."""

    mechanism: str = ""  # empty: all
    iterations: int = 99

    def _generate(self, messages, *args, response_format=None, **kwargs):
        result = super()._generate(messages, *args, response_format=response_format, **kwargs)
        if response_format is None or response_format["json_schema"]["name"] != "Critique":
            return result
        answer = json.loads(result.generations[0].message.content)
        task = json.loads(messages[1].content.split("```json\n")[1].split("\n```")[0])
        mechanism_of = {item["rule"]["id"]: item["rule"]["mechanism"] for item in task["rules"]}
        if task["revisions_left"] > MAX_ITERATIONS - 1 - self.iterations:
            for verdict in answer["verdicts"]:
                if self.mechanism in ("", mechanism_of[verdict["rule_id"]]):
                    verdict["verdict"] = "reject"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(json.dumps(answer)))])


def ledger(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_the_embedded_inspector_is_not_asked_to_spot_the_difference(mined):
    assert not [entry for entry in mined.ledger if entry["decision"] == "spotted"]


def test_the_critic_judges_the_bank(watch, mined, tmp_path):
    series = replace(mined.series, text="The sensor may get stuck at its last reading.")
    run = watch(series, tmp_path / "run")
    said = [entry["rationale"] for entry in run.ledger if entry["decision"] == "bank"]
    assert said and "1 of 1 mechanisms that the text names" in said[0]


@pytest.mark.extended
def test_a_missing_mechanism_is_proposed_with_another_operator(mined, tmp_path):
    series = replace(mined.series, text="With a worn belt the strokes come late.")
    brain = Brain(Refusing(mechanism="timing_disturbance", iterations=1))
    bank = mine_into(tmp_path / "run", series, brain=brain)
    entries = [e for e in ledger(tmp_path / "run") if e["decision"] == "proposed"]
    first, second = ([e for e in entries if e["iteration"] == number] for number in (0, 1))
    assert [e["rationale"].startswith("timing_disturbance") for e in second] == [True]
    [timing] = [rule for rule in bank.rules if rule.mechanism == "timing_disturbance"]
    assert timing.id == second[0]["rule"] and timing.id not in {e["rule"] for e in first}


@pytest.mark.extended
def test_without_pictures_the_inspector_is_not_consulted(mined, tmp_path):
    bank = mine_into(tmp_path / "run", mined.series, without=["pictures"])
    assert bank.rules and not [
        entry for entry in ledger(tmp_path / "run") if entry["agent"] == "visual inspector" and entry["rule"]
    ]
    assert not [item for rule in bank.rules for item in rule.evidence if item.kind == "picture"]


@pytest.mark.extended
def test_without_a_critic_the_figures_of_the_first_check_decide(squares, tmp_path):
    bank = mine_into(tmp_path / "run", squares, without=["critic"])
    measured = {e["rule"]: e["figures"] for e in ledger(tmp_path / "run") if e["decision"] == "measured"}
    assert {rule.id for rule in bank.rules} == {rule for rule, figures in measured.items() if not failures(figures)}
    assert len(bank.rules) < len(measured) and "in 1 iteration" in bank.ended


@pytest.mark.extended
def test_without_the_check_every_proposed_rule_is_accepted(squares, tmp_path):
    bank = mine_into(tmp_path / "run", squares, without=["check"])
    assert {rule.id for rule in bank.rules} == {
        e["rule"] for e in ledger(tmp_path / "run") if e["decision"] == "proposed"
    }


def test_an_unknown_part_is_refused(mined):
    with pytest.raises(InputError, match="no part"):
        mine(mined.series, without=["planner"])


@pytest.mark.extended
def test_a_failure_that_no_operator_can_make_is_reported_and_replaced_by_nothing(mined, tmp_path):
    series = replace(mined.series, text="With a worn belt the strokes come late.")
    bank = mine_into(tmp_path / "run", series, brain=Brain(Refusing()))
    proposed = [entry for entry in ledger(tmp_path / "run") if entry["decision"] == "proposed" and entry["iteration"]]
    assert proposed and {entry["rationale"].split(":")[0] for entry in proposed} == {"timing_disturbance"}
    assert bank.rules == [] and [each.use for each in bank.sentences] == ["no rule"]
