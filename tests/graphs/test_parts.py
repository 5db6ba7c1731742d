"""What each part of the loop brings can be seen by leaving it out; what the bank lacks is asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from ape.agents import Brain
from ape.agents.expert.model import ExpertChatModel
from ape.core.errors import InputError
from ape.graphs import mine
from ape.rules.check import failures


class Refusing(ExpertChatModel):
    """The embedded expert, whose critic rejects one rule whatever its figures."""

    refused: str

    def _generate(self, messages, *args, response_format=None, **kwargs):
        result = super()._generate(messages, *args, response_format=response_format, **kwargs)
        if response_format is None or response_format["json_schema"]["name"] != "Critique":
            return result
        answer = json.loads(result.generations[0].message.content)
        task = json.loads(messages[1].content.split("```json\n")[1].split("\n```")[0])
        for verdict in answer["verdicts"]:
            if verdict["rule_id"] == self.refused:
                verdict["verdict"] = "reject"
                answer["missing"] = [i["rule"]["mechanism"] for i in task["rules"] if i["rule"]["id"] == self.refused]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(json.dumps(answer)))])


def ledger(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_every_rule_is_looked_at_among_normal_windows(mined):
    spotted = {entry["rule"]: entry for entry in mined.ledger if entry["decision"] == "spotted"}
    assert set(spotted) == {entry["rule"] for entry in mined.ledger if entry["decision"] == "proposed"}
    for entry in spotted.values():
        assert -1 <= entry["figures"]["spotted"] <= 1 and (mined.folder / "artefacts" / entry["evidence"][0]).is_file()
    assert all("spotted" in rule.history[-1].figures for rule in mined.bank.rules)


def test_the_critic_judges_the_bank(watch, mined, tmp_path):
    series = replace(mined.series, text="The sensor may get stuck at its last reading.")
    run = watch(series, tmp_path / "run")
    said = [entry["rationale"] for entry in run.ledger if entry["decision"] == "bank"]
    assert said and "1 of 1 mechanisms that the text names" in said[0]


def test_what_the_bank_lacks_is_proposed_anew_with_another_operator(mined, tmp_path):
    series = replace(mined.series, text="With a worn belt the strokes come late.")
    bank = mine(series, brain=Brain(Refusing(refused="cycle-shifted")), folder=tmp_path)
    entries = [e for e in ledger(tmp_path) if e["decision"] == "proposed" and e["iteration"] == 1]
    assert entries and all("timing_disturbance" in entry["rationale"] for entry in entries)
    timing = [rule for rule in bank.rules if rule.mechanism == "timing_disturbance"]
    assert all(rule.program[0].operator != "phase_shift" for rule in timing)


def test_without_pictures_nothing_is_drawn_for_the_inspector(mined, tmp_path):
    bank = mine(mined.series, folder=tmp_path, without=["pictures"])
    assert bank.rules and not [
        entry for entry in ledger(tmp_path) if entry["agent"] == "visual inspector" and entry["rule"]
    ]
    assert not [item for rule in bank.rules for item in rule.evidence if item.kind == "picture"]


def test_without_a_critic_the_figures_of_the_first_check_decide(squares, tmp_path):
    bank = mine(squares, folder=tmp_path, without=["critic"])
    measured = {e["rule"]: e["figures"] for e in ledger(tmp_path) if e["decision"] == "measured"}
    assert {rule.id for rule in bank.rules} == {rule for rule, figures in measured.items() if not failures(figures)}
    assert len(bank.rules) < len(measured) and "in 1 iteration" in bank.ended


def test_without_the_check_every_proposed_rule_is_taken(squares, tmp_path):
    bank = mine(squares, folder=tmp_path, without=["check"])
    assert {rule.id for rule in bank.rules} == {e["rule"] for e in ledger(tmp_path) if e["decision"] == "proposed"}


def test_a_part_that_there_is_not_is_refused(mined, tmp_path):
    with pytest.raises(InputError, match="no part"):
        mine(mined.series, folder=tmp_path / "run", without=["planner"])
    assert not (tmp_path / "run").exists()
