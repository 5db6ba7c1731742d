"""A server that sends bytes to order, and the ways in which it can send them."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "m"
SECRET = "sk-test-4f9c2b7e81d0"  # the key that the client sends
PASSWORD = "hunter2pass"  # in the address
TOOL = {"type": "function", "function": {"name": "read_text", "arguments": '{"first_line": 1}'}}
DEEP = 100_000  # levels
DRIP = 0.05  # seconds between two bytes
HUGE = 40 * 2**20  # bytes


class Sender(BaseHTTPRequestHandler):
    """Answers one request; ``request`` bodies are kept by the server."""

    protocol_version = "HTTP/1.1"
    server: OddServer  # type: ignore[assignment]

    def do_GET(self) -> None:
        self.server.gets.append(self.path)
        (self.server.models or send_models)(self)

    def do_POST(self) -> None:
        self.server.authorization.append(self.headers.get("Authorization", ""))
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.append(self.body)
        fault = self.server.next_replies.pop(0) if self.server.next_replies else self.server.reply
        (fault or say("hi"))(self)

    def log_message(self, *_: Any) -> None:
        pass


Send = Callable[[Sender], None]


class OddServer(ThreadingHTTPServer):
    """Sends one fault for each request, or replies ``hi``."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Sender)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.gets: list[str] = []
        self.posts: list[dict[str, Any]] = []
        self.authorization: list[str] = []
        self.models: Send | None = None
        self.reply: Send | None = None
        self.next_replies: list[Send | None] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up


@contextmanager
def odd_server() -> Iterator[OddServer]:
    server = OddServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def raw(
    data: bytes, kind: str = "application/json", status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Send:
    """Send bytes as a body."""

    def send(sender: Sender) -> None:
        sender.send_response(status)
        sender.send_header("Content-Type", kind)
        for name, value in headers:
            sender.send_header(name, value)
        if not any(name == "Transfer-Encoding" for name, _ in headers):
            sender.send_header("Content-Length", str(len(data)))
        sender.end_headers()
        sender.wfile.write(data)

    return send


def wire(data: bytes, reset: bool = False) -> Send:
    """Send bytes in place of headers and a body, then close or reset the connection."""

    def send(sender: Sender) -> None:
        sender.wfile.write(data)
        sender.close_connection = True
        if reset:
            sender.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sender.connection.close()

    return send


def body(obj: Any, **options: Any) -> Send:
    """Send JSON."""
    return raw(json.dumps(obj).encode(), **options)


def completion(message: Any, **changes: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    whole = {"id": "1", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice], "usage": usage}
    return {**whole, **changes}


def say(content: Any, **changes: Any) -> Send:
    return body(completion({"role": "assistant", "content": content}, **changes))


def text_with(old: str, new: str, message: Any) -> Send:
    """Send a completion with a part of its JSON replaced by what no encoder writes."""
    text = json.dumps(completion(message))
    assert old in text
    return raw(text.replace(old, new).encode())


def calling(*calls: Any, finish: Any = "tool_calls") -> Send:
    message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return body(completion(message, choices=[{"index": 0, "finish_reason": finish, "message": message}]))


def call(arguments: Any = '{"first_line": 1}', **changes: Any) -> dict[str, Any]:
    return {"id": "c1", **TOOL, "function": {"name": "read_text", "arguments": arguments}, **changes}


def spent(**counts: Any) -> Send:
    return say("hi", usage=counts)


def choosing(**choice: Any) -> Send:
    return body(completion(None, choices=[{"index": 0, "finish_reason": "stop", **choice}]))


def send_models(sender: Sender) -> None:
    entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "x", "max_model_len": 16384}
    body({"object": "list", "data": [entry]})(sender)


def dripping(data: bytes, headers_too: bool = False) -> Send:
    """Send one byte at a time, and never come to an end."""

    def send(sender: Sender) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        if not headers_too:
            sender.wfile.write(head)
        for byte in (head if headers_too else b"") + data + b" " * 400:
            sender.wfile.write(bytes([byte]))
            sender.wfile.flush()
            time.sleep(DRIP)
        sender.close_connection = True

    return send


def hanging(sender: Sender) -> None:
    """Send nothing for longer than a test waits."""
    time.sleep(3)
    sender.close_connection = True


def endless(piece: bytes) -> Send:
    """Send chunks without an end."""

    def send(sender: Sender) -> None:
        sender.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(piece), piece)
        for _ in range(100_000):
            sender.wfile.write(chunk)

    return send


def events(*objects: Any, done: bool = True) -> Send:
    """Send a stream of events, whether the client asked for one or not."""
    lines = [f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n" for each in objects]
    return raw("".join([*lines, "data: [DONE]\n\n"] if done else lines).encode(), kind="text/event-stream")


def delta(content: str, finish: Any = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}


def compressed(data: bytes, encoding: str = "gzip", kind: str = "application/json") -> Send:
    return raw(data, kind=kind, headers=(("Content-Encoding", encoding),))


def redirecting(address: str, status: int = 307) -> Send:
    return raw(b"", status=status, headers=(("Location", address),))


def echoing(sender: Sender) -> None:
    """Refuse the key and repeat it, with the headers of the request."""
    told = f"Incorrect API key provided: {SECRET}. " + "; ".join(f"{k}: {v}" for k, v in sender.headers.items())
    body({"error": {"message": told, "code": "invalid_api_key"}}, status=401)(sender)
