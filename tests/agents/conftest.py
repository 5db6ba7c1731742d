"""A server with OpenAI's protocol on loopback: behind it a chat model, before it whatever goes wrong with servers."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents import replies
from ape.agents.expert.model import ExpertChatModel

NAME = "expert-on-loopback"
Mood = Callable[[dict[str, Any]], dict[str, Any] | None]  # of a request: another reply, or None for the model's own


class Loopback:
    """What was asked of the server, and the moods that the next requests meet, one each."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model, self.url = model, ""
        self.requests: list[dict[str, Any]] = []
        self.moods: list[Mood | None] = []
        self.always: Mood | None = None

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(body)
        mood = self.moods.pop(0) if self.moods else self.always
        if mood is not None and (reply := mood(body)) is not None:
            return reply
        bound = {key: body[key] for key in ("tools", "response_format") if key in body}
        return completion(self.model.invoke(conversation(body["messages"]), **bound))


class Fault(Exception):
    """A reply that is an error of HTTP; status 0 closes the connection without one."""

    def __init__(self, status: int, message: str = "") -> None:
        self.status, self.message = status, message


def failing(status: int, message: str = "out of memory") -> Mood:
    def mood(_: dict[str, Any]) -> dict[str, Any]:
        raise Fault(status, message)

    return mood


def breaking(content: str) -> Mood:
    """A reply whose connection breaks after its first word."""
    return lambda _: completion(AIMessage(content)) | {"breaks": True}


def slow(seconds: float) -> Mood:
    return lambda _: time.sleep(seconds)


def saying(content: str, finish: str = "stop", calls: list[dict[str, Any]] | None = None) -> Mood:
    return lambda _: completion(AIMessage(content, tool_calls=calls or []), finish)


def completion(message: AIMessage, finish: str = "stop") -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["args"])},
            }
            for call in message.tool_calls
        ]
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": NAME,
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


def pieces(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A completion as a server sends it bit by bit: its words, then its calls, then what it took."""
    whole = body | {"object": "chat.completion.chunk", "usage": None}
    choice = body["choices"][0]
    said = choice["message"]
    for word in re.findall(r"\s*\S+", said["content"] or ""):
        yield whole | {
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}]
        }
    calls = [{"index": place, **call} for place, call in enumerate(said.get("tool_calls", []))]
    last = {"role": "assistant", "tool_calls": calls} if calls else {}
    yield whole | {"choices": [{"index": 0, "delta": last, "finish_reason": choice["finish_reason"]}]}
    yield whole | {"choices": [], "usage": body["usage"]}


def conversation(entries: list[dict[str, Any]]) -> list[BaseMessage]:
    """The messages of a request; on the wire a tool's result names its call alone."""
    called = {call["id"]: call["function"]["name"] for entry in entries for call in entry.get("tool_calls") or []}
    return [message_of(entry, called) for entry in entries]


def message_of(entry: dict[str, Any], called: dict[str, str]) -> BaseMessage:
    content = entry.get("content") or ""
    if entry["role"] == "system":
        return SystemMessage(content)
    if entry["role"] == "tool":
        return ToolMessage(content, tool_call_id=entry["tool_call_id"], name=called[entry["tool_call_id"]])
    if entry["role"] == "assistant":
        calls = [
            {
                "name": call["function"]["name"],
                "args": json.loads(call["function"]["arguments"]),
                "id": call["id"],
                "type": "tool_call",
            }
            for call in entry.get("tool_calls") or []
        ]
        return AIMessage(content, tool_calls=calls)
    if isinstance(content, str):
        return HumanMessage(content)
    blocks = []
    for block in content:
        if block["type"] == "image_url":
            data = block["image_url"]["url"].partition("base64,")[2]
            block = {"type": "image", "base64": data, "mime_type": "image/png"}
        blocks.append(block)
    return HumanMessage(blocks)


@contextmanager
def loopback(model: BaseChatModel) -> Iterator[Loopback]:
    """Serve ``model`` until the end of the block."""
    served = Loopback(model)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            entry = {"id": NAME, "object": "model", "max_model_len": 16384}
            self.send({"object": "list", "data": [entry]} if self.path == "/v1/models" else {}, 200)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer = served.answer(body)
                self.stream(answer) if body.get("stream") else self.send(answer, 200)
            except Fault as fault:
                if fault.status == 0:
                    self.close_connection = True
                    return
                self.send({"error": {"message": fault.message, "type": "server", "code": fault.status}}, fault.status)

        def send(self, body: dict[str, Any], status: int) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            breaks = body.pop("breaks", False)
            for piece in [*(json.dumps(each) for each in pieces(body)), "[DONE]"]:
                data = f"data: {piece}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                if breaks:
                    self.close_connection = True
                    return
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def own_replies(tmp_path_factory, monkeypatch):
    """No reply is known from elsewhere, and nobody waits long for a server."""
    folder = tmp_path_factory.mktemp("replies")
    monkeypatch.setattr(replies, "kept_replies", lambda: folder)
    monkeypatch.setattr(replies, "PATIENCE", 1.0)
    monkeypatch.setattr(replies, "LONGEST_WAIT", 0.1)
    return folder


@pytest.fixture
def server():
    """The embedded expert behind HTTP."""
    with loopback(ExpertChatModel()) as served:
        yield served


@pytest.fixture
def mood():
    """What can go wrong: moods of the server by name."""
    return {"failing": failing, "slow": slow, "saying": saying, "breaking": breaking}
