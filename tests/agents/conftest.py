"""A loopback server with OpenAI's protocol: a chat model answers, or a scripted reply or fault takes its place."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents import replies, reply_cache
from ape.agents.expert.model import ExpertChatModel
from ape.agents.records import Spotting

MODEL = "expert-on-loopback"
PAGE = "page"  # key of a reply that is a page of HTML
Script = Callable[[dict[str, Any]], dict[str, Any] | None]  # takes a request; returns a reply, or None for the model's


class LoopbackServer:
    """The requests that a server received, and scripts for the next requests or for all others."""

    def __init__(self, model: BaseChatModel) -> None:
        self.model, self.url = model, ""
        self.requests: list[dict[str, Any]] = []
        self.next_scripts: list[Script | None] = []
        self.every_script: Script | None = None

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(body)
        script = self.next_scripts.pop(0) if self.next_scripts else self.every_script
        if script is not None and (reply := script(body)) is not None:
            return reply
        if body.get("response_format", {}).get("json_schema", {}).get("name") == "Spotting":
            # only served models get this task; the embedded expert behind this server has no answer
            return completion(AIMessage(Spotting(rationale="sees nothing", sees_pictures=False).model_dump_json()))
        options = {key: body[key] for key in ("tools", "response_format") if key in body}
        return completion(self.model.invoke(parse_messages(body["messages"]), **options))


class HttpError(Exception):
    """A reply with an HTTP status; status 0 closes the connection without a reply."""

    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message


def failing(status: int, message: str = "out of memory") -> Script:
    """Return an HTTP error."""

    def script(_: dict[str, Any]) -> dict[str, Any]:
        raise HttpError(status, message)

    return script


def breaking(content: str) -> Script:
    """Break the connection after the first word of a reply."""
    return lambda _: completion(AIMessage(content)) | {"breaks": True}


def slow(seconds: float) -> Script:
    """Let the model answer after a delay."""
    return lambda _: time.sleep(seconds)


def saying(content: str, finish: str = "stop", calls: list[dict[str, Any]] | None = None) -> Script:
    """Reply with a text and tool calls."""
    return lambda _: completion(AIMessage(content, tool_calls=calls or []), finish)


def completion(message: AIMessage, finish: str = "stop") -> dict[str, Any]:
    """Return a message as the body of a server's reply."""
    plain: dict[str, Any] = {"role": "assistant", "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
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
        "model": MODEL,
        "choices": [{"index": 0, "message": plain, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


def stream_chunks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a reply into the chunks of a stream: its words, its calls, its usage."""
    chunk = body | {"object": "chat.completion.chunk", "usage": None}
    choice = body["choices"][0]
    message = choice["message"]
    for word in re.findall(r"\s*\S+", message["content"] or ""):
        yield chunk | {
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}]
        }
    calls = [{"index": place, **call} for place, call in enumerate(message.get("tool_calls", []))]
    last = {"role": "assistant", "tool_calls": calls} if calls else {}
    yield chunk | {"choices": [{"index": 0, "delta": last, "finish_reason": choice["finish_reason"]}]}
    yield chunk | {"choices": [], "usage": body.get("usage")}


def parse_messages(entries: list[dict[str, Any]]) -> list[BaseMessage]:
    """Return the messages of a request; in the protocol, a tool result names its call but not its tool."""
    tool_of = {call["id"]: call["function"]["name"] for entry in entries for call in entry.get("tool_calls") or []}
    return [parse_message(entry, tool_of) for entry in entries]


def parse_message(entry: dict[str, Any], tool_of: dict[str, str]) -> BaseMessage:
    content = entry.get("content") or ""
    if entry["role"] == "system":
        return SystemMessage(content)
    if entry["role"] == "tool":
        return ToolMessage(content, tool_call_id=entry["tool_call_id"], name=tool_of[entry["tool_call_id"]])
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
def loopback(model: BaseChatModel) -> Iterator[LoopbackServer]:
    """Serve ``model`` until the end of the block."""
    state = LoopbackServer(model)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            entry = {"id": MODEL, "object": "model", "max_model_len": 16384}
            self.send({"object": "list", "data": [entry]} if self.path == "/v1/models" else {}, 200)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer = state.answer(body)
                self.stream(answer) if body.get("stream") and PAGE not in answer else self.send(answer, 200)
            except HttpError as error:
                if error.status == 0:
                    self.close_connection = True
                    return
                self.send({"error": {"message": error.message, "type": "server", "code": error.status}}, error.status)

        def send(self, body: dict[str, Any], status: int) -> None:
            page = body.get(PAGE)
            data = json.dumps(body).encode() if page is None else page.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if page is None else "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            breaks = body.pop("breaks", False)
            for chunk in [*(json.dumps(each) for each in stream_chunks(body)), "[DONE]"]:
                data = f"data: {chunk}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                if breaks:
                    self.close_connection = True
                    return
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            # A client that gave up waiting is no error here, and its traceback would land in another test's stderr.
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    http = Server(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        http.server_close()


@pytest.fixture(autouse=True)
def reply_folder(tmp_path_factory, monkeypatch):
    """Start each test with an empty reply cache and short pauses between attempts."""
    folder = tmp_path_factory.mktemp("replies")
    monkeypatch.setattr(reply_cache, "cache_folder", lambda: folder)
    monkeypatch.setattr(replies, "LONGEST_PAUSE", 0.1)
    return folder


@pytest.fixture
def gives_up_soon(monkeypatch):
    """For a server that never recovers. A server that does needs the real time, or a slow machine fails the test."""
    monkeypatch.setattr(replies, "RETRY_SECONDS", 0.2)


@pytest.fixture
def server():
    """The embedded expert behind HTTP."""
    with loopback(ExpertChatModel()) as state:
        yield state


@pytest.fixture
def expert_server():
    """The embedded expert as a server has it, without HTTP."""
    return LoopbackServer(ExpertChatModel())


@pytest.fixture
def script():
    """Scripts of replies and faults, by name."""
    return SimpleNamespace(failing=failing, breaking=breaking, slow=slow, saying=saying)
