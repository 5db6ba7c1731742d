"""The load test: what clients count."""

from __future__ import annotations

import asyncio
import http.server
import itertools
import os
import threading
from collections.abc import Iterator

import httpx
import pytest

from ape.evals.speed.api import asked, loaded, memory_of


@pytest.fixture
def port() -> Iterator[int]:
    """A server that refuses each third request, and answers each fifth with something else than JSON."""
    numbers = itertools.count(1)

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            number = next(numbers)
            body = b"nothing" if number % 5 == 0 else b"{}"
            self.send_response(503 if number % 3 == 0 else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_good_answers_are_timed_and_all_are_counted(port):
    lines = [b"%d\n" % number for number in range(100_000)]
    load = asyncio.run(loaded(f"http://127.0.0.1:{port}/x", ["streams/a", "score"], b"value\n", lines, 1, 0.5))
    total = load.statuses.total()
    assert set(load.statuses) == {0, 200, 503} and len(load.seconds) == load.statuses[200]
    assert load.statuses[0] == total // 5 and load.statuses[503] == total // 3 - total // 15
    assert 0.5 <= load.elapsed < 30 and 0 < min(load.seconds) <= max(load.seconds) < load.elapsed


def test_a_stream_gets_each_row_once(port):
    load = asyncio.run(loaded(f"http://127.0.0.1:{port}/x", ["streams/a"], b"value\n", [b"1\n"] * 25, 10, 30.0))
    assert load.statuses.total() == 2 and load.elapsed < 10


def test_no_service_is_no_answer():
    async def ask():
        async with httpx.AsyncClient(timeout=1) as connection:
            return await asked(connection, "http://127.0.0.1:1/health", b"")

    assert asyncio.run(ask()) == 0


def test_memory_of_this_process():
    assert 10 < memory_of(os.getpid()) < 1e5
