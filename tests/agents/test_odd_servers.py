"""Whatever a model server sends: a reply that can be used, a retry, or one line; never a traceback or a long wait."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from odd_replies import (
    MODEL,
    PASSWORD,
    READABLE,
    READABLE_MODELS,
    REPLIES,
    SECRET,
    SILENT,
    STREAMS,
    UNUSABLE,
    UNUSABLE_MODELS,
    odd_server,
    say,
)

from ape.agents import open_brain, replies
from ape.agents import server as server_module
from ape.agents.replies import request_reply
from ape.core.errors import InputError

PERMANENT = {"html-404", "status-418", "status-304", "echoes-key"}  # a client must not ask again
LIMIT = 5.0  # seconds, with the deadlines below


@pytest.fixture
def server():
    with odd_server() as state:
        yield state


@pytest.fixture(autouse=True)
def short_deadlines(monkeypatch):
    for name in ("TIMEOUT", "STREAM_TIMEOUT", "MODELS_TIMEOUT"):
        monkeypatch.setattr(server_module, name, 0.6, raising=False)
    monkeypatch.setattr(replies, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(replies, "LONGEST_PAUSE", 0.02)
    monkeypatch.setenv("APE_BRAIN_KEY", SECRET)


@tool
def read_text(first_line: int = 1) -> str:
    """Read a text."""
    return str(first_line)


def ask(server, stream=False):
    """Request a reply; it must fit into files and checkpoints."""
    brain = open_brain(server.url.replace("://", f"://me:{PASSWORD}@"))
    begun = time.perf_counter()
    try:
        reply, usage = asyncio.run(request_reply(brain, [HumanMessage("hello")], [read_text], stream=stream))
    finally:
        assert time.perf_counter() - begun < LIMIT
    json.dumps(reply.tool_calls, allow_nan=False).encode()
    JsonPlusSerializer().dumps_typed(reply)
    assert 0 <= usage.tokens_in < 2**40 and 0 <= usage.tokens_out < 2**40 and len(reply.tool_calls) <= 100
    assert len({call["id"] for call in reply.tool_calls}) == len(reply.tool_calls)
    assert all(len(call["id"]) < 200 and len(call["name"]) < 200 for call in reply.tool_calls)
    return reply


def one_line(error: InputError) -> bool:
    text = str(error)
    return "\n" not in text and len(text) < 700 and SECRET not in text and PASSWORD not in text


@pytest.mark.parametrize("mode", READABLE)
def test_reply_that_can_be_read(server, mode):
    server.reply = READABLE[mode]
    reply = ask(server)
    assert reply.content or reply.tool_calls


@pytest.mark.parametrize("mode", UNUSABLE)
def test_reply_that_cannot_be_used_is_one_line(server, mode):
    server.reply = UNUSABLE[mode]
    with pytest.raises(InputError) as caught:
        ask(server)
    assert one_line(caught.value)
    assert len(server.posts) < 10


@pytest.mark.parametrize("mode", [mode for mode in UNUSABLE if mode not in PERMANENT])
def test_one_odd_reply_is_asked_for_again(server, mode):
    server.next_replies = [UNUSABLE[mode]]
    if mode in ("drip", "drip-headers", "hangs"):
        replies.RETRY_SECONDS = 2.0  # the fixture restores it
    assert ask(server).content == "hi" and len(server.posts) == 2


@pytest.mark.parametrize("mode", SILENT)
def test_silent_reply_is_empty(server, mode):
    server.reply = SILENT[mode]
    assert ask(server).content in ("", "5.0", "hi")


@pytest.mark.parametrize("mode", STREAMS)
def test_stream_is_read_or_one_line(server, mode):
    server.next_replies = [STREAMS[mode]]
    server.reply = say("hi")
    try:
        reply = ask(server, stream=True)
        assert reply.content == "hi" or reply.tool_calls or mode == "null-choices-event"
    except InputError as error:
        assert one_line(error) and mode in ("drip", "endless-events", "endless-comments")


@pytest.mark.parametrize("mode", READABLE_MODELS)
def test_odd_list_of_models_is_read(server, mode, monkeypatch):
    server.models = READABLE_MODELS[mode]
    if mode == "300000-models":
        monkeypatch.setattr(server_module, "MODELS_TIMEOUT", 9.0, raising=False)
    brain = open_brain(server.url)
    assert brain.name == MODEL and brain.character_budget == brain.character_budget


@pytest.mark.parametrize("mode", UNUSABLE_MODELS)
def test_unusable_list_of_models_is_one_line(server, mode):
    server.models = UNUSABLE_MODELS[mode]
    begun = time.perf_counter()
    with pytest.raises(InputError) as caught:
        open_brain(server.url)
    assert one_line(caught.value)
    assert time.perf_counter() - begun < LIMIT


def test_all_modes_are_different():
    assert len(REPLIES) == len(READABLE) + len(UNUSABLE) + len(SILENT)
