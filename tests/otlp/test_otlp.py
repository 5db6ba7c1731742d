"""Send spans to a real trace viewer, Phoenix: it receives all spans of the run's own file.

``make test-otlp`` sets up its environment and runs this.
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

from ape.runs.execution import execute
from ape.runs.folder import Request, Run

PHOENIX = Path(os.environ.get("APE_PHOENIX", ".venv-phoenix")) / "bin" / "phoenix"

pytestmark = [
    pytest.mark.otlp,
    pytest.mark.skipif(not PHOENIX.exists(), reason="Phoenix is not installed: run 'make test-otlp'"),
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("phoenix"), free_port()
    settings = {
        "PHOENIX_WORKING_DIR": str(folder), "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_HOST": "127.0.0.1", "PHOENIX_TELEMETRY_ENABLED": "false",
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PHOENIX, "serve"], env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                break
        except httpx.HTTPError:
            time.sleep(0.5)
    else:
        pytest.fail(f"Phoenix did not start: {(folder / 'log').read_text()[-2000:]}")
    yield url
    os.killpg(process.pid, signal.SIGKILL)


def received_spans(url: str) -> list[dict]:
    spans, cursor = [], None
    while True:
        parameters = {"limit": 500} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(f"{url}/v1/projects/default/spans", params=parameters, timeout=20).json()
        spans += page["data"]
        cursor = page.get("next_cursor")
        if not cursor:
            return spans


def test_viewer_receives_every_span_with_its_kind_and_parent(viewer, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", viewer)
    steps = np.arange(1500)
    values = np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
    np.savez(tmp_path / "wave.npz", values=values, train_end=1000)
    request = Request(command="mine", data=str(tmp_path / "wave.npz"))
    execute(Run.create(tmp_path / "run", request, request.load()))
    own = [json.loads(line) for line in (tmp_path / "run" / "spans.jsonl").read_text().splitlines()]
    deadline = time.monotonic() + 60
    while len(spans := received_spans(viewer)) < len(own) and time.monotonic() < deadline:
        time.sleep(1)
    assert len(spans) == len(own) > 50
    by_id = {span["context"]["span_id"]: span for span in spans}
    for span in own:
        received = by_id[span["context"]["span_id"].removeprefix("0x")]
        kind = span["attributes"]["openinference.span.kind"]
        assert (received["name"], received["span_kind"]) == (span["name"], kind)
        assert (received["parent_id"] or "") == (span["parent_id"] or "").removeprefix("0x")
