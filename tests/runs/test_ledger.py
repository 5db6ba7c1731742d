"""The decision ledger: append-only, each entry once, a torn last line mended."""

from __future__ import annotations

import json

import pytest

from ape.runs.ledger import Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


def test_entries_are_only_ever_appended(path):
    ledger, before = Ledger(path), b""
    for word in ("proposed", "revise", "accept"):
        ledger.write("rule critic", word, "because", rule="a", figures={"visible": 0.812345678})
        after = path.read_bytes()
        assert after.startswith(before) and len(after) > len(before)
        before = after
    entries = [json.loads(line) for line in before.splitlines()]
    assert [entry["decision"] for entry in entries] == ["proposed", "revise", "accept"]
    assert entries[0]["figures"] == {"visible": 0.812346}


def test_an_entry_that_is_written_again_is_kept_once(path):
    for checkpoint in ("first", "second"):
        Ledger(path).write("planner", "plan", "because", checkpoint=checkpoint)
    (entry,) = Ledger(path)
    assert entry["checkpoint"] == "first" and path.read_text().count("\n") == 1


@pytest.mark.parametrize("torn", ['{"id": "x", "agent": "pl', '{"id": "x"}', "{", "\ufffd"])
def test_a_torn_last_line_is_cut_away(path, torn):
    Ledger(path).write("planner", "plan", "because")
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode()[:-1])
    ledger = Ledger(path)
    assert [entry["decision"] for entry in ledger] == ["plan"] and path.read_bytes() == whole
    ledger.write("planner", "commit", "done")
    assert [json.loads(line)["decision"] for line in path.read_text().splitlines()] == ["plan", "commit"]


def test_a_torn_first_line_leaves_an_empty_ledger(path):
    path.write_bytes(b'{"id"')
    assert list(Ledger(path)) == [] and path.read_bytes() == b""


def test_without_a_path_entries_are_kept_in_memory():
    ledger = Ledger(None)
    ledger.write("planner", "plan", "because", evidence=("robust_stats-1",))
    assert [entry["evidence"] for entry in ledger] == [["robust_stats-1"]]


def test_the_ledger_of_a_mining_tells_who_decided_what_and_why(mined):
    assert {entry["agent"] for entry in mined.ledger} == {
        "planner", "profiler", "visual inspector", "discriminability", "rule critic", "post-training",
    }  # fmt: skip
    assert len({entry["id"] for entry in mined.ledger}) == len(mined.ledger)
    order = [entry["decision"] for entry in mined.ledger]
    assert order[0] == "plan" and set(order[1:3]) == {"profile", "inspect"} and order[-2] == "commit"
    assert all(entry["rationale"] for entry in mined.ledger)
