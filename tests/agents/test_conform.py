from __future__ import annotations

import json

import pytest

from ape.agents.answers import Mismatch, read_answer, read_valid_items
from ape.agents.records import Plan, Profile, Proposal

HINT = {"rationale": "r", "quote": "q", "line": 1, "mechanism": "stuck_sensor"}
PLAN = {"rationale": "r", "scenario": "s", "channels": ["value"], "hints": [HINT]}


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"mechanism": "Stuck Sensor"}, "mechanism", "stuck_sensor"),
        ({"Mechanism": "STUCK-SENSOR", "mechanism": None}, "mechanism", "stuck_sensor"),
        ({"direction": "Up"}, "direction", "up"),
        ({"strength": "80 %"}, "strength", 0.8),
        ({"strength": "0.4"}, "strength", 0.4),
        ({"line": "3"}, "line", 3),
        ({"change": ["10%", "20%"]}, "change", {"low": 0.1, "high": 0.2}),
        ({"change": [-0.1, -0.3]}, "change", {"low": -0.3, "high": -0.1}),
        ({"seconds": "60-120"}, "seconds", {"low": 60, "high": 120}),
        ({"amount": 3}, "amount", {"low": 3, "high": 3}),
        ({"amount": "n/a"}, "amount", None),
        ({"level": None}, "level", []),
        ({"channels": "value"}, "channels", ["value"]),
        ({"quote": "x" * 999}, "quote", "x" * 200),
        ({"confidence": 0.9}, "mechanism", "stuck_sensor"),
    ],
)
def test_plain_meaning_is_read_at_once(given, field, expected):
    hint = {name: value for name, value in HINT.items() if name not in given} | given
    answer = read_answer(json.dumps(PLAN | {"hints": [hint]}), Plan)
    assert answer.hints[0].model_dump()[field] == expected


def test_record_inside_an_object_that_shares_a_field():
    assert read_answer(json.dumps({"rationale": "outer", "plan": PLAN}), Plan).rationale == "r"


def test_unknown_list_is_asked_about_before_it_is_left_out():
    text = json.dumps({"rationale": "r", "observations": [{"term": "periodic"}]})
    with pytest.raises(Mismatch, match="observations"):
        read_answer(text, Profile)
    answer, problems = read_valid_items(text, Profile)
    assert answer.findings == [] and problems == ["observations: unknown field"]


def test_wrong_word_stays_wrong():
    rule = {"id": "Rule 1", "mechanism": "gremlins"}
    with pytest.raises(Mismatch, match="gremlins"):
        read_answer(json.dumps({"rationale": "r", "rules": [rule]}), Proposal)


def test_half_of_a_surrogate_pair_is_replaced():
    answer = read_answer('{"rationale": "a \\ud83d b", "scenario": "\\ud83d\\ude00", "channels": ["v"]}', Plan)
    assert answer.scenario == "\U0001f600" and answer.rationale.encode()


def test_hint_with_an_unknown_mechanism_is_left_out():
    text = json.dumps(PLAN | {"hints": [HINT, HINT | {"mechanism": "gremlins"}]})
    with pytest.raises(Mismatch, match="gremlins"):
        read_answer(text, Plan)
    assert len(read_valid_items(text, Plan)[0].hints) == 1
