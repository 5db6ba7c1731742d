"""Rule Banks on disk: exact round trips, and the field of every refused value."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from ape.core.errors import InputError
from ape.rules import RuleBank, broad_bank, broad_rule, build_context
from ape.series import from_array


@pytest.fixture
def bank():
    context = build_context(from_array(np.sin(np.arange(600) / 8.0)))
    return broad_bank(context, ["level_shift", "time_compress"])


def test_round_trip_gives_the_same_bytes(bank, tmp_path):
    bank.save(tmp_path / "bank.json")
    RuleBank.load(tmp_path / "bank.json").save(tmp_path / "again.json")
    assert (tmp_path / "bank.json").read_bytes() == (tmp_path / "again.json").read_bytes()


def test_benign_rules_are_in_the_json_only_if_there_are_any(bank, tmp_path):
    plain = bank.to_json()
    assert "benign" not in json.loads(plain)
    bank.benign.append(broad_rule("noise_burst"))
    bank.save(tmp_path / "bank.json")
    loaded = RuleBank.load(tmp_path / "bank.json")
    assert [rule.id for rule in loaded.benign] == ["noise_burst"] and loaded.to_json() == bank.to_json()
    bank.benign.clear()
    assert bank.to_json() == plain


def test_no_pseudo_anomaly_comes_from_a_benign_rule(bank, generator):
    bank.benign.append(broad_rule("noise_burst"))
    windows = torch.sin(torch.arange(120) / 8.0).expand(40, 1, 120)
    assert set(bank.sample(windows, generator(0)).rule_id.tolist()) == {0, 1}


def test_numbers_are_rounded_to_six_digits(bank):
    bank.rules[0].weight = 1.23456789
    assert json.loads(bank.to_json())["rules"][0]["weight"] == 1.23457


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda b: b["rules"][0].update(mechanism="gremlins"), "rules.0.mechanism"),
        (lambda b: b["rules"][0].update(code="import os"), "rules.0.code"),
        (lambda b: b["rules"][0]["program"][0].update(operator="os.system"), "rules.0.program.0"),
        (lambda b: b["rules"][1]["program"][0].update(parameters=[{"name": "speed", "low": 2, "high": 99}]), "rules.1"),
        (lambda b: b["rules"][0]["scale"].update(low=-1), "rules.0.scale.low"),
        (lambda b: b["rules"][0]["scale"].update(low=9, high=1), "rules.0.scale"),
        (lambda b: b["rules"][0].update(weight=0), "rules.0.weight"),
        (lambda b: b.update(schema_version=99), "schema_version"),
        (lambda b: b["context"].update(channels=[]), "context.channels"),
        (lambda b: b["rules"][1].update(id=b["rules"][0]["id"]), "bank"),
        (lambda b: b["rules"][0]["context"].update(channels=["nope"]), "bank"),
        (lambda b: b.update(benign=[b["rules"][0]]), "bank"),
        (lambda b: b.update(benign=[{**b["rules"][0], "id": "x", "weight": 0}]), "benign.0.weight"),
        (lambda b: b.update(benign=[{**b["rules"][0], "id": "x", "context": {"channels": ["nope"]}}]), "bank"),
    ],
)
def test_invalid_fields_are_refused_with_their_path(bank, tmp_path, change, field):
    body = json.loads(bank.to_json())
    change(body)
    (tmp_path / "bank.json").write_text(json.dumps(body))
    with pytest.raises(InputError, match="not a valid Rule Bank") as caught:
        RuleBank.load(tmp_path / "bank.json")
    assert f"field {field}" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"rules": 3}', "\x00\x01"])
def test_malformed_files_are_refused(tmp_path, text):
    (tmp_path / "bank.json").write_text(text)
    with pytest.raises(InputError):
        RuleBank.load(tmp_path / "bank.json")


def test_truncated_file_is_refused(bank, tmp_path):
    (tmp_path / "bank.json").write_text(bank.to_json()[:-40])
    with pytest.raises(InputError, match="damaged"):
        RuleBank.load(tmp_path / "bank.json")


def test_json_schema_contains_the_vocabulary():
    text = json.dumps(RuleBank.model_json_schema())
    assert "level_shift" in text and "gradual_drift" in text
