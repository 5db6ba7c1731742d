"""The decision ledger: append-only, each entry once, an incomplete last line removed."""

from __future__ import annotations

import json

import pytest

from ape.runs.ledger import Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


def test_entries_are_only_appended(path):
    ledger, before = Ledger(path), b""
    for word in ("proposed", "revise", "accept"):
        ledger.write("rule critic", word, "because", rule="a", figures={"visible": 0.812345678})
        after = path.read_bytes()
        assert after.startswith(before) and len(after) > len(before)
        before = after
    entries = [json.loads(line) for line in before.splitlines()]
    assert [entry["decision"] for entry in entries] == ["proposed", "revise", "accept"]
    assert entries[0]["figures"] == {"visible": 0.812346}


def test_a_repeated_entry_is_stored_once(path):
    for checkpoint in ("first", "second"):
        Ledger(path).write("planner", "plan", "because", checkpoint=checkpoint)
    (entry,) = Ledger(path)
    assert entry["checkpoint"] == "first" and path.read_text().count("\n") == 1


@pytest.mark.parametrize("incomplete", ['{"id": "x", "agent": "pl', '{"id": "x"}', "{", "\ufffd"])
def test_an_incomplete_last_line_is_removed(path, incomplete):
    Ledger(path).write("planner", "plan", "because")
    whole = path.read_bytes()
    path.write_bytes(whole + incomplete.encode()[:-1])
    ledger = Ledger(path)
    assert [entry["decision"] for entry in ledger] == ["plan"] and path.read_bytes() == whole
    ledger.write("planner", "commit", "done")
    assert [json.loads(line)["decision"] for line in path.read_text().splitlines()] == ["plan", "commit"]


def test_an_incomplete_first_line_leaves_an_empty_ledger(path):
    path.write_bytes(b'{"id"')
    assert list(Ledger(path)) == [] and path.read_bytes() == b""
