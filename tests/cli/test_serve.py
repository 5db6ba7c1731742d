"""``ape serve`` on a busy machine."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from ape.cli import serve

gradio = pytest.importorskip("gradio")


@pytest.fixture
def free_port(monkeypatch):
    """A free port, with a server that does not wait for Ctrl-C."""
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda self: None)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    yield port
    gradio.close_all()


def test_page_that_answers_late_is_served(ape, free_port, tmp_path, monkeypatch):
    monkeypatch.setattr(gradio.networking, "url_ok", lambda url: False)  # as after three seconds without an answer
    outcome = ape("serve", "--port", free_port, "--out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "") and f"http://127.0.0.1:{free_port}, conversations in" in outcome.out
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}", timeout=60) as answer:
        assert answer.status == 200


def test_page_that_never_answers_is_one_line_and_no_address(ape, free_port, tmp_path, monkeypatch):
    def unanswered(*_arguments, **_options):
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", unanswered)
    monkeypatch.setattr(serve, "LONGEST_START", 0.0)
    outcome = ape("serve", "--port", free_port, "--out", tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("ape: the page does not answer: timed out") and outcome.err.count("\n") == 1
