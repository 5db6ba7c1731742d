"""The service as a command with two workers."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ape.api.server import Settings

TOKEN = "a-token-of-the-test"


@pytest.fixture
def service(pump, tmp_path):
    """The port of a service with two workers and a token, and its process."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ape.cli.main", "api", str(pump), "--port", str(port), "--workers", "2"]
    process = subprocess.Popen([*command, "--token-file", str(tmp_path / "token")], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 200
    while ask(port, "GET", "/health")[0] != 200:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.5)
    yield port, process
    process.kill()


def ask(port, method, path, body=None, token=TOKEN):
    """Return status and content of an answer to a new connection; 0 if nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {token}"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


@pytest.mark.extended
def test_workers_answer_alike_count_together_and_stop(service, watched_run):
    port, process = service
    body = watched_run.new.read_bytes()
    answers = [ask(port, "POST", "/detectors/pump/score", body) for _ in range(6)]
    assert {status for status, _ in answers} == {200} and len({text for _, text in answers}) == 1
    assert len(json.loads(answers[0][1])["events"]) == 1
    assert ask(port, "GET", "/detectors", token="wrong")[0] == 401
    text = ask(port, "GET", "/metrics")[1]
    samples = {
        (s.name, *sorted(s.labels.values())): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }
    assert samples["ape_api_rows_total", "pump"] == 3600
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 143) and TOKEN not in out and "with a token" in out
    assert ask(port, "GET", "/health")[0] == 0


def test_hosts():
    assert Settings(()).hosts[:2] == ("127.0.0.1", "localhost")
    assert Settings((), host="0.0.0.0").hosts == ()
    assert "ape" in Settings((), host="0.0.0.0", allowed=("ape",)).hosts
