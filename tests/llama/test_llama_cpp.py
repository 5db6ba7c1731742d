"""Mining through llama.cpp's server and a small model of words: the text agents on another server than vLLM.

``make test-llama`` sets the server's environment up and runs this. The model knows next to nothing, and sees nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ape.agents import open_brain, replies
from ape.agents.serving import check
from ape.core.errors import InputError
from ape.graphs import mine
from ape.rules.check import failures
from ape.series import from_array

PYTHON = Path(os.environ.get("APE_LLAMA", ".venv-llama")) / "bin" / "python"
ROLES = {"planner", "profiler", "visual inspector", "rule critic"}

pytestmark = [
    pytest.mark.llama,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PYTHON.exists(), reason="no llama.cpp here: 'make test-llama' sets it up"),
]


@pytest.fixture(scope="module")
def address():
    serve = Path(__file__).with_name("serve.py")
    process = subprocess.Popen([PYTHON, serve], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    yield next(line.strip() for line in process.stdout if line.startswith("http"))
    process.kill()
    process.wait()


def ledger(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_the_check_says_what_a_model_of_words_has_and_lacks(address):
    found = {each.need: each.met for each in check(address)}
    assert found["model"] and found["JSON schema"] and not found["vision"]


def test_a_model_that_knows_little_goes_through_the_whole_graph(address, tmp_path, monkeypatch):
    monkeypatch.setattr(replies, "kept_replies", lambda: tmp_path / "replies")
    steps = np.arange(1500)
    values = np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
    series = from_array(values, train_end=1000, text="The pump leaks slowly.")
    try:
        bank = mine(series, brain=open_brain(address), folder=tmp_path / "run")
    except InputError as error:  # it rambles until its context is full, twice: told in one line, after a plan in form
        assert "gave no valid" in str(error)
        assert [entry for entry in ledger(tmp_path / "run") if entry["decision"] == "plan"]
        return
    assert all(not failures(rule.history[-1].figures) for rule in bank.rules)
    spent = {entry["agent"]: entry["figures"] for entry in ledger(tmp_path / "run") if entry["decision"] == "spent"}
    assert spent.keys() == ROLES and all(each["tokens_out"] > 0 for each in spent.values())
    again = mine(series, brain=open_brain(address), folder=tmp_path / "again")
    assert again.to_json() == bank.to_json()
    assert not [e for e in ledger(tmp_path / "again") if e["decision"] == "spent" and e["figures"]["calls"]]
