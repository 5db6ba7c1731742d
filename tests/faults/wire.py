"""Bytes as they are, sent to a server of this machine: no client of HTTP would send many of these."""

from __future__ import annotations

import socket
from dataclasses import dataclass

WAIT = 5.0  # seconds for an answer
LONGEST = 2**20  # bytes that are read of it


@dataclass(frozen=True)
class Reply:
    """What a server sent: ``status`` 0 stands for nothing, since it closed the connection or waits."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of a header; an empty text without it."""
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return next((value.strip() for key, _, value in lines if key.lower() == name), "")


def send(port: int, data: bytes, wait: float = WAIT) -> Reply:
    """Send bytes on a new connection, and return the first answer."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        try:
            connection.sendall(data)
            while not _is_whole(received) and len(received) < LONGEST:
                piece = connection.recv(2**16)
                if not piece:
                    break
                received += piece
        except OSError:  # it closed the connection before all was sent, or waits
            pass
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    status = int(words[1]) if head.startswith(b"HTTP/") and len(words) > 1 and words[1].isdigit() else 0
    return Reply(status, head.decode("latin-1"), body)


def _is_whole(received: bytearray) -> bool:
    head, end, body = bytes(received).partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(body) >= int(lengths[0]) if lengths else body.endswith(b"0\r\n\r\n")


def request(
    method: str, target: str, headers: dict[str, str] | list[tuple[str, str]], body: str | bytes = b""
) -> bytes:
    """Return a request with exactly these headers, the length of a body, and the wish to close the connection."""
    given = list(headers.items()) if isinstance(headers, dict) else headers
    body = body.encode("latin-1") if isinstance(body, str) else body
    if body or method in ("POST", "PUT", "PATCH"):
        given = [*given, ("Content-Length", str(len(body)))]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given), "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
