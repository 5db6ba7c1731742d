"""Mine through llama.cpp's server and a small text model: the agents work with another server than vLLM.

``make test-llama`` sets up the server's environment and runs this. The model knows little and cannot see pictures.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ape.agents import reply_cache
from ape.agents.server_check import check_server
from ape.rules.check import failures
from ape.runs.execution import execute
from ape.runs.folder import Request, Run

PYTHON = Path(os.environ.get("APE_LLAMA", ".venv-llama")) / "bin" / "python"
ROLES = {"planner", "profiler", "visual inspector", "rule critic"}

pytestmark = [
    pytest.mark.llama,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PYTHON.exists(), reason="llama.cpp is not installed: run 'make test-llama'"),
]


@pytest.fixture(scope="module")
def address():
    serve = Path(__file__).with_name("serve.py")
    process = subprocess.Popen([PYTHON, serve], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    yield next(line.strip() for line in process.stdout if line.startswith("http"))
    process.kill()
    process.wait()


def create_run(folder: Path, address: str) -> Run:
    steps = np.arange(1500)
    values = np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
    data = folder.parent / "wave.npz"
    np.savez(data, values=values, train_end=1000)
    request = Request(command="mine", data=str(data), text="The pump leaks slowly.", brain=address)
    return Run.create(folder, request, request.load())


def ledger(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_check_reports_that_the_model_cannot_see(address):
    checked = {requirement.name: requirement.met for requirement in check_server(address)}
    assert checked["model"] and checked["JSON schema"] and not checked["vision"]


def test_small_model_completes_the_graph(address, tmp_path, monkeypatch):
    """The model may repeat itself until its context is full; then the embedded agent takes its place."""
    monkeypatch.setattr(reply_cache, "cache_folder", lambda: tmp_path / "replies")
    bank = execute(create_run(tmp_path / "run", address)).bank
    assert all(not failures(rule.history[-1].figures) for rule in bank.rules)
    usage = {entry["agent"]: entry["figures"] for entry in ledger(tmp_path / "run") if entry["decision"] == "spent"}
    assert usage.keys() == ROLES and all(figures["tokens_out"] > 0 for figures in usage.values())
    rerun = execute(create_run(tmp_path / "rerun", address)).bank
    assert rerun.to_json() == bank.to_json()
    assert not [e for e in ledger(tmp_path / "rerun") if e["decision"] == "spent" and e["figures"]["calls"]]
