"""Connections on which no request comes are closed, and those that are answered are not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from ape.api import connections

LIMIT = 0.15  # seconds


async def slow(scope, receive, send):
    """Answer after twice the limit, or at once."""
    if scope["path"] != "/soon":
        await asyncio.sleep(2 * LIMIT)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "LONGEST_REQUEST", LIMIT)
        config = uvicorn.Config(slow, port=0, http=connections.TimedProtocol, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        thread.join(10)


def received(port: int, *parts: bytes) -> bytes:
    """Return all that comes until the connection is closed; the second part is sent after an answer to the first."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        got = b""
        for part in parts:
            connection.sendall(part)
            if part is not parts[-1]:
                got += connection.recv(1000)
        while piece := connection.recv(1000):
            got += piece
        return got


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("begin", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_request_that_does_not_arrive_is_not_waited_for(port, begin):
    begun = time.monotonic()
    assert received(port, begin) == b"" and time.monotonic() - begun < 5


def test_an_answer_takes_as_long_as_it_takes_and_the_next_request_has_a_limit(port):
    begun = time.monotonic()
    answer = received(port, GET, b"GET /")
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"ok") and answer.count(b"HTTP/1.1") == 1
    assert time.monotonic() - begun < 4  # the usual limit of an idle connection is 5


def test_what_follows_a_request_and_is_none_ends_both(port, caplog):
    post = b"POST /soon HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert received(port, post + b"-1\r\nx\r\n").startswith(b"HTTP/1.1 400")
    received(port, GET)  # all before is done
    assert "Exception" not in caplog.text
