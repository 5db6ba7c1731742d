"""Mining through a real vLLM server whose model is noise: the wire, the schemas, the budgets and the loop have to hold.

``make test-vllm`` sets the server's environment up and runs this; see `build_model.py` for the model.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from ape.agents import open_brain, replies
from ape.agents.serving import OPTIONS, check
from ape.core.errors import InputError
from ape.graphs import mine
from ape.rules.check import failures
from ape.series import from_array

PYTHON = Path(os.environ.get("APE_VLLM", ".venv-vllm")) / "bin" / "python"
QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
QUIET |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}
ROLES = {"planner", "profiler", "visual inspector", "rule critic"}

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM here: 'make test-vllm' sets it up"),
]


class Server:
    """The server as a process group of its own: ended otherwise, it leaves orphans."""

    def __init__(self, model: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.model, self.log, self.url = model, log, f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        line = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.model), *OPTIONS]
        line += ["--served-model-name", "noise", "--dtype", "float32", "--max-num-seqs", "4", "--enforce-eager"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*line, "--port", str(self.port)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | QUIET,
                start_new_session=True,
            )
        ends = time.monotonic() + 300
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        pytest.fail(f"vLLM did not start: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vllm")
    build = Path(__file__).with_name("build_model.py")
    subprocess.run([PYTHON, build, folder / "model"], check=True, capture_output=True)
    served = Server(folder / "model", folder / "server.log")
    yield served
    served.kill()


@pytest.fixture(autouse=True)
def own_replies(tmp_path, monkeypatch):
    monkeypatch.setattr(replies, "kept_replies", lambda: tmp_path / "replies")


def wave():
    steps = np.arange(1500)
    values = np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
    return from_array(values, train_end=1000, text="The pump leaks slowly.")


def ledger(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_the_server_has_what_the_agents_need(server):
    assert {each.need: each.met for each in check(server.url)} == dict.fromkeys(
        ("model", "context", "JSON schema", "tool calls", "vision"), True
    )


def test_noise_goes_through_the_whole_graph_and_earns_no_rule(server, tmp_path):
    bank = mine(wave(), brain=open_brain(server.url), folder=tmp_path / "run")
    assert all(not failures(rule.history[-1].figures) for rule in bank.rules)
    spent = {entry["agent"]: entry["figures"] for entry in ledger(tmp_path / "run") if entry["decision"] == "spent"}
    assert spent.keys() == ROLES
    assert all(each["calls"] > 0 and each["tokens_out"] > 0 for each in spent.values())
    again = mine(wave(), brain=open_brain(server.url), folder=tmp_path / "again")
    assert again.to_json() == bank.to_json()
    assert not [e for e in ledger(tmp_path / "again") if e["decision"] == "spent" and e["figures"]["calls"]]


def test_a_server_that_dies_in_the_middle_costs_nothing_but_time(server, tmp_path, monkeypatch):
    monkeypatch.setattr(replies, "PATIENCE", 2.0)
    brain, folder = open_brain(server.url), tmp_path / "run"

    def dying(agent: str, note: str) -> None:
        if agent == "planner" and "propose" in note:
            server.kill()

    with pytest.raises(InputError, match="gone"):
        mine(wave(), brain=brain, folder=folder, listen=dying)
    server.start()
    bank = mine(wave(), brain=brain, folder=folder)
    decisions = [entry["decision"] for entry in ledger(folder)]
    assert bank.ended and decisions.count("plan") == 1 and "commit" in decisions
