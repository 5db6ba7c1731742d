"""``ape serve``: the address that it prints works, others do not, and Ctrl-C ends it while a page is open."""

from __future__ import annotations

import os
import re
import signal
import socket
import time

import httpx
import pytest
from processes import start

pytest.importorskip("gradio")


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_the_printed_address_opens_the_page_until_ctrl_c(free_port, tmp_path):
    process = start(["serve", "--port", free_port, "--out", tmp_path / "chats"], tmp_path / "output")
    ends = time.monotonic() + 90
    while not (
        found := re.match(r"(http://127\.0\.0\.1:\d+)/\?token=([\w-]{43}), conversations in ", printed(tmp_path))
    ):
        assert time.monotonic() < ends and process.is_alive(), printed(tmp_path)
        time.sleep(0.2)
    origin, token = found.groups()
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        assert browser.get(origin).status_code == 401
        answer = browser.get(f"{origin}/?token={token}")
        assert (answer.status_code, str(answer.url)) == (200, f"{origin}/") and "gradio" in answer.text
        with browser.stream("GET", f"{origin}/gradio_api/heartbeat/x") as beat:
            assert beat.status_code == 200
            os.killpg(process.pid, signal.SIGINT)
            process.join(60)
    assert process.exitcode == 130 and printed(tmp_path).endswith("ape: stopped\n")


def printed(folder):
    return (folder / "output").read_text() if (folder / "output").exists() else ""


def test_a_token_that_protects_nothing_is_refused(refused, tmp_path):
    (tmp_path / "token").write_text("short")
    assert "no token of at least 16" in refused("serve", "--out", tmp_path / "x", "--token-file", tmp_path / "token")
    assert not (tmp_path / "x").exists()
