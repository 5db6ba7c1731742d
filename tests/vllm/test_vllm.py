"""Mine through a real vLLM server whose model has random weights: protocol, schemas, budgets and the loop work.

``make test-vllm`` sets up the server's environment and runs this; see `build_model.py` for the model.
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

from ape.agents import replies, reply_cache
from ape.agents.server_check import check_server
from ape.agents.vllm_command import OPTIONS
from ape.core.errors import InputError
from ape.rules.check import failures
from ape.runs.execution import Callbacks, execute
from ape.runs.folder import Request, Run

PYTHON = Path(os.environ.get("APE_VLLM", ".venv-vllm")) / "bin" / "python"
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1",
}  # fmt: skip
ROLES = {"planner", "profiler", "visual inspector", "rule critic"}

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PYTHON.exists(), reason="vLLM is not installed: run 'make test-vllm'"),
]


class Server:
    """A vLLM server in a process group of its own, so that it can be killed with all its children."""

    def __init__(self, model: Path, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.model, self.log, self.url = model, log, f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(self.model), *OPTIONS]
        command += ["--served-model-name", "random", "--dtype", "float32", "--max-num-seqs", "4", "--enforce-eager"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | ENVIRONMENT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
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
def empty_reply_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(reply_cache, "cache_folder", lambda: tmp_path / "replies")


def create_run(folder: Path, url: str) -> Run:
    steps = np.arange(1500)
    values = np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
    data = folder.parent / "wave.npz"
    np.savez(data, values=values, train_end=1000)
    request = Request(command="mine", data=str(data), text="The pump leaks slowly.", brain=url)
    return Run.create(folder, request, request.load())


def ledger(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_server_meets_the_requirements(server):
    needed = {each.name: each.met for each in check_server(server.url) if each.needed}
    assert needed == dict.fromkeys(("model", "context", "JSON schema", "tool calls", "vision"), True)


def test_random_model_completes_the_graph_and_a_rerun_uses_the_cache(server, tmp_path):
    bank = execute(create_run(tmp_path / "run", server.url)).bank
    assert all(not failures(rule.history[-1].figures) for rule in bank.rules)
    usage = {entry["agent"]: entry["figures"] for entry in ledger(tmp_path / "run") if entry["decision"] == "spent"}
    assert usage.keys() == ROLES
    assert all(figures["calls"] > 0 and figures["tokens_out"] > 0 for figures in usage.values())
    rerun = execute(create_run(tmp_path / "rerun", server.url)).bank
    assert rerun.to_json() == bank.to_json()
    assert not [e for e in ledger(tmp_path / "rerun") if e["decision"] == "spent" and e["figures"]["calls"]]


def test_run_resumes_after_the_server_was_killed(server, tmp_path, monkeypatch):
    monkeypatch.setattr(replies, "RETRY_SECONDS", 2.0)
    run = create_run(tmp_path / "run", server.url)

    def kill_at_proposal(agent: str, note: str) -> None:
        if agent == "planner" and "propose" in note:
            server.kill()

    with pytest.raises(InputError, match="lost the connection"):
        execute(run, Callbacks(listen=kill_at_proposal))
    server.start()
    bank = execute(Run.open(run.folder)).bank
    decisions = [entry["decision"] for entry in ledger(run.folder)]
    assert bank.ended and decisions.count("plan") == 1 and "commit" in decisions
