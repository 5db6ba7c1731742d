"""Whatever a model server sends: a reply that can be used, a retry, or one line; never a traceback or a long wait."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from odd_replies import READABLE, READABLE_MODELS, REPLIES, SILENT, STREAMS, UNUSABLE, UNUSABLE_MODELS
from odd_server import MODEL, PASSWORD, SECRET, body, delta, events, odd_server, redirecting, say

from ape.agents import open_brain, replies
from ape.agents import server as server_module
from ape.agents.replies import request_reply
from ape.agents.thoughts import Screen
from ape.cli.main import main
from ape.core.errors import InputError
from ape.graphs import mine, review
from ape.rules import RuleBank
from ape.runs.folder import Request, Run, read_request
from ape.series import Series, from_array

PERMANENT = {"html-404", "status-418", "status-304", "echoes-key"}  # a client must not ask again
SLOW = {"drip", "drip-headers", "hangs"}
LIMIT = 5.0  # seconds, with the deadlines below
PATIENCE = 60.0  # seconds of retries with a server that recovers, however slow the machine is


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
    replies.RETRY_SECONDS = PATIENCE  # the fixture restores it
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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_origin_gets_neither_the_request_nor_the_key(server, status):
    with odd_server() as other:
        server.reply = redirecting(f"{other.url}/v1/chat/completions", status)
        with pytest.raises(InputError, match="redirects"):
            ask(server)
        server.models = redirecting(f"{other.url}/v1/models", status)
        with pytest.raises(InputError, match="redirects"):
            open_brain(server.url)
        assert not other.gets and not other.posts


def test_login_of_an_address_is_sent_and_kept_in_no_file(server, series, tmp_path, monkeypatch):
    monkeypatch.delenv("APE_BRAIN_LOGIN", raising=False)
    np.savez(tmp_path / "wave.npz", values=series.values)
    address = server.url.replace("://", f"://me:{PASSWORD}@")
    request = Request(command="mine", data=str(tmp_path / "wave.npz"), brain=address)
    assert request.brain == server.url
    run = Run.create(tmp_path / "run", request, series)
    assert not [path for path in files(run.folder) if PASSWORD.encode() in path.read_bytes()]
    for variable in ("APE_BRAIN_LOGIN", "APE_BRAIN_URL"):  # in this process, and when a person resumes later
        monkeypatch.delenv("APE_BRAIN_LOGIN", raising=False)
        monkeypatch.setenv(variable, address)
        brain = open_brain(read_request(run.folder).brain)
        assert PASSWORD not in str(brain.server)
        asyncio.run(request_reply(replace(brain, cached=False), [HumanMessage("hello")]))
        assert server.authorization.pop() == f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"
    with odd_server() as other:
        asyncio.run(request_reply(open_brain(other.url), [HumanMessage("hello")]))
        assert other.authorization == [f"Bearer {SECRET}"]


def test_secret_in_pieces_of_a_stream_is_not_shown(server):
    pieces = ["the key ", SECRET[:7], SECRET[7:12], f"{SECRET[12:]} is good", ", thanks"]
    server.reply = events(*[delta(piece) for piece in pieces], delta("", "stop"))
    screen = Screen()
    shown = "".join(screen.show(piece) for piece in pieces)
    assert shown.startswith("the key [hidden] is good") and SECRET[:7] not in shown
    assert ask(server, stream=True).content == "the key [hidden] is good, thanks"


@pytest.fixture(scope="module")
def series() -> Series:
    steps = np.arange(600)
    return from_array(np.sin(2 * np.pi * steps / 30) + 0.05 * np.random.default_rng(0).normal(size=600), ["value"])


@pytest.fixture(scope="module", autouse=True)
def no_drawing():
    """Replace the pictures of rules, which take most of a mining's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "draw_examples", lambda *_: b"a picture")
        patch.setattr(review, "draw_puzzle", lambda *_: (b"a picture", [1]))
        yield


@pytest.fixture(scope="module")
def embedded(series, no_drawing) -> RuleBank:
    return mine(series, brain=open_brain("embedded"))


@pytest.fixture
def expert(expert_server):
    """What sends a reply of the embedded expert."""
    return lambda sender: body(expert_server.answer(sender.body))(sender)


def first_odd(faults, expert):
    """Answer each request with one of the faults the first time, then with a reply."""
    left, seen = itertools.cycle(faults), set()

    def send(sender):
        request = json.dumps(sender.body)
        again = request in seen
        seen.add(request)
        (expert if again else next(left))(sender)

    return send


def test_mining_goes_on_after_each_kind_of_odd_reply(server, expert, series, embedded):
    replies.RETRY_SECONDS = PATIENCE
    modes = [UNUSABLE[mode] for mode in UNUSABLE if mode not in PERMANENT | SLOW]
    server.reply = first_odd(modes, expert)
    assert mine(series, brain=open_brain(server.url)).to_json() == embedded.to_json()


def test_mining_with_odd_replies_alone_is_the_embedded_one(server, series, embedded):
    server.reply = UNUSABLE["html-200"]
    heard = []
    bank = mine(series, brain=open_brain(server.url), listen=lambda agent, note: heard.append(note))
    assert bank.rules == embedded.rules and "embedded in place of the model" in bank.ended
    assert any("again" in note and "Please log in" in note for note in heard)
    assert len(server.posts) == 6  # two for each of the first three tasks


def test_temporary_error_in_a_reply_is_told_and_soon_given_up(server, series):
    server.reply = UNUSABLE["error-200"]
    heard = []
    with pytest.raises(InputError, match="upstream overloaded"):
        mine(series, brain=open_brain(server.url), listen=lambda agent, note: heard.append(note))
    again = [note for note in heard if "again" in note]
    assert len(again) == len(server.posts) - 1 <= 4 and "upstream overloaded" in again[0]


def test_secrets_reach_neither_a_file_nor_the_terminal(server, expert_server, series, tmp_path, capsys, monkeypatch):
    sent = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    told = f"you sent {SECRET} and Basic {sent} from http://me:{PASSWORD}@here/?token={SECRET}"

    def repeating(sender):
        text = json.dumps(expert_server.answer(sender.body))
        body(json.loads(text.replace('\\"rationale\\":\\"', f'\\"rationale\\":\\"{told} ')))(sender)

    def error(sender):
        body({"error": {"message": f"{told} {sender.headers['Authorization']}", "code": 500}})(sender)

    np.savez(tmp_path / "wave.npz", values=series.values)
    address = server.url.replace("://", f"://me:{PASSWORD}@")
    server.next_replies, server.reply = [error, repeating, error], repeating
    assert main(["mine", str(tmp_path / "wave.npz"), "--brain", address, "--out", str(tmp_path / "run")]) == 0
    server.reply = error
    assert (
        main(["mine", str(tmp_path / "wave.npz"), "--brain", address, "--out", str(tmp_path / "other"), "--seed", "1"])
        == 2
    )
    monkeypatch.setenv("APE_BRAIN_URL", address)
    main(["brain", "check", address])
    main(["doctor"])
    assert "Basic" in server.authorization[-1]
    shown = capsys.readouterr()
    assert "hidden" in (tmp_path / "run" / "ledger.jsonl").read_text()
    texts = [(shown.out + shown.err).encode(), *(path.read_bytes() for path in files(tmp_path))]
    assert not [secret for text in texts for secret in (SECRET, PASSWORD, sent) if secret.encode() in text]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.faults
@pytest.mark.parametrize("mode", [mode for mode in REPLIES if mode not in SLOW])
def test_whole_mining_with_each_odd_reply(server, expert, series, embedded, mode):
    fault = REPLIES[mode]
    if mode in UNUSABLE and mode not in PERMANENT:  # before each reply
        server.reply = first_odd([fault], expert)
        assert mine(series, brain=open_brain(server.url)).to_json() == embedded.to_json()
    server.reply = fault
    try:
        assert mine(series, brain=open_brain(server.url)).rules
    except InputError as error:
        assert one_line(error)
