"""Spans sent to a real viewer, Phoenix, on loopback: it has all that the run's own file has.

``make test-otlp`` sets its environment up and runs this.
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

from ape.graphs import mine
from ape.series import from_array

PHOENIX = Path(os.environ.get("APE_PHOENIX", ".venv-phoenix")) / "bin" / "phoenix"

pytestmark = [
    pytest.mark.otlp,
    pytest.mark.skipif(not PHOENIX.exists(), reason="no Phoenix here: 'make test-otlp' sets it up"),
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
        running = subprocess.Popen(
            [PHOENIX, "serve"], env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    url, ends = f"http://127.0.0.1:{port}", time.monotonic() + 200
    while time.monotonic() < ends and running.poll() is None:
        try:
            if httpx.get(f"{url}/healthz", timeout=2).status_code == 200:
                break
        except httpx.HTTPError:
            time.sleep(0.5)
    else:
        pytest.fail(f"Phoenix did not start: {(folder / 'log').read_text()[-2000:]}")
    yield url
    os.killpg(running.pid, signal.SIGKILL)


def received(url: str) -> list[dict]:
    spans, cursor = [], None
    while True:
        asked = {"limit": 500} | ({"cursor": cursor} if cursor else {})
        page = httpx.get(f"{url}/v1/projects/default/spans", params=asked, timeout=20).json()
        spans += page["data"]
        cursor = page.get("next_cursor")
        if not cursor:
            return spans


def test_a_viewer_gets_every_span_with_its_kind_and_place(viewer, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", viewer)
    steps = np.arange(1500)
    values = np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
    mine(from_array(values, train_end=1000), folder=tmp_path)
    own = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    ends = time.monotonic() + 60
    while len(found := received(viewer)) < len(own) and time.monotonic() < ends:
        time.sleep(1)
    assert len(found) == len(own) > 50
    by_id = {each["context"]["span_id"]: each for each in found}
    for span in own:
        there = by_id[span["context"]["span_id"].removeprefix("0x")]
        assert (there["name"], there["span_kind"]) == (span["name"], span["attributes"]["openinference.span.kind"])
        assert (there["parent_id"] or "") == (span["parent_id"] or "").removeprefix("0x")
