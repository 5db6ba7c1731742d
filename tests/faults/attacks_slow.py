"""Clients that send slowly, or nothing: others are answered meanwhile, and each of them is let go after a while."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

from faults.wire import request, send

MANY = 300  # connections
ENDS = 60.0  # seconds until all are let go: a body may take 30


def attacks(port: int, path: str, known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Open connections of each kind, and ask for a path meanwhile; yield names, and what is wrong."""
    host = f"Host: 127.0.0.1:{port}\r\n"
    post = f"POST /detectors/pump/score HTTP/1.1\r\n{host}Content-Type: text/csv\r\n"
    begins = {
        "nothing": "",
        "half a line": f"GET {path[:1]}",
        "half of the headers": f"GET {path} HTTP/1.1\r\n{host}X: ",
        "half a body": f"{post}Content-Length: 99\r\n\r\nx",
        "half a chunk": f"{post}Transfer-Encoding: chunked\r\n\r\nff\r\nx",
        "waits for leave": f"{post}Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    }
    asked = request("GET", path, {"Host": f"127.0.0.1:{port}", **known})
    with ExitStack() as stack:
        opened: dict[str, list[socket.socket]] = {}
        for name, text in begins.items():
            opened[name] = []
            for _ in range(MANY // len(begins)):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                connection.sendall(text.encode())
                opened[name].append(connection)
            status = send(port, asked).status
            yield f"{name}: others are answered", "" if status in (200, 401) else f"status {status}"
        ends = time.monotonic() + ENDS
        for name, connections in opened.items():
            for connection in connections:
                yield f"{name}: is let go", "" if _ended(connection, ends) else "it is kept"


def _ended(connection: socket.socket, ends: float) -> bool:
    """Whether a server closes a connection before the end."""
    try:
        while time.monotonic() < ends:
            connection.settimeout(max(0.1, ends - time.monotonic()))
            if not connection.recv(2**16):
                return True
    except TimeoutError:
        return False
    except OSError:  # reset
        return True
    return False
