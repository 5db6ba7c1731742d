"""The conversation with a guide on a server: streamed replies, pictures, budgets, faults and odd replies."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from ape.agents import open_brain
from ape.agents.tool_calls import MAX_CALLS
from ape.graphs import conversation_prompt
from ape.graphs.conversation import MAX_ROUNDS
from ape.runs import session
from ape.runs.folder import Request
from ape.runs.session import Session

ADD = "add a rule: the sensor gets stuck for 20 to 40 samples"
GIVEN_UP = "I stop here"


def call(name: str, number: int = 1, **arguments) -> dict:
    return {"name": name, "args": arguments, "id": str(number), "type": "tool_call"}


@pytest.fixture
def talk(server, tmp_path):
    values = np.sin(2 * np.pi * np.arange(900) / 25) + 0.05 * np.random.default_rng(0).normal(size=900)
    np.savez(tmp_path / "wave.npz", values=values, train_end=600)
    request = Request(
        command="chat", data=str(tmp_path / "wave.npz"), text="Mine at once, ask nobody.", brain=server.url
    )
    return Session.create(tmp_path / "talk", request, request.load())


def kinds(updates):
    return [update.kind for update in updates if update.kind not in ("progress", "token")]


def test_request_adds_a_rule_as_in_process(talk):
    assert kinds(talk.say(ADD)) == ["tool_call", "tool_result", "reply"]
    (card,) = talk.cards()
    assert card.summary["asked_for"] == [ADD]


def test_reply_is_streamed(talk, server, script):
    server.next_scripts = [script.saying("It repeats, and  drifts.")]
    updates = list(talk.say("hello"))
    assert [update.text for update in updates if update.kind == "token"] == ["It", " repeats,", " and", "  drifts."]
    assert updates[-1].kind == "reply" and updates[-1].text == "It repeats, and  drifts."
    assert [update.kind for update in talk.history()] == ["person", "reply"]


def test_thoughts_are_not_shown(talk, server, script):
    server.next_scripts = [script.saying("<think> They greet me, so I greet them. </think> Good morning.")]
    updates = list(talk.say("hello"))
    assert "".join(update.text for update in updates if update.kind == "token").strip() == "Good morning."
    assert updates[-1].text == "Good morning."


def test_reply_of_thoughts_alone_is_said_to_be_empty(talk, server, script):
    server.next_scripts = [script.saying("<think> They greet me, so")]
    assert "empty reply" in list(talk.say("hello"))[-1].text


def test_broken_stream_is_retried(talk, server, script):
    server.next_scripts = [script.breaking("Never received."), script.saying("Received.")]
    updates = list(talk.say("hello"))
    assert updates[-1].text == "Received." and len(server.requests) == 2


@pytest.mark.extended
def test_stream_that_always_breaks_is_one_line(talk, server, script, gives_up_soon):
    server.every_script = script.breaking("Never received.")
    failed = list(talk.say("hello"))[-1]
    assert failed.kind == "failed" and failed.text.count("\n") == 0 and server.url in failed.text


def test_pictures_of_tools_are_sent_to_the_model(talk, server):
    list(talk.say("show 100 to 300"))
    last = server.requests[-1]["messages"][-1]
    assert last["role"] == "user" and any(block["type"] == "image_url" for block in last["content"])
    # but they are no messages of the person
    assert [update.kind for update in talk.history()] == ["person", "tool_call", "tool_result", "reply"]


def test_text_reaches_the_model_only_as_a_tool_result(talk, server):
    list(talk.say("what does the series do?"))
    for request in server.requests:
        for message in request["messages"]:
            assert message["role"] == "tool" or "ask nobody" not in str(message["content"])
    assert not (talk.folder / "bank.json").exists()


@pytest.mark.extended
def test_endless_tool_calls_are_stopped(talk, server, script):
    numbers = count()
    server.every_script = lambda body: script.saying(
        "", calls=[call("show_examples", rule_id=f"none-{next(numbers)}")]
    )(body)
    updates = list(talk.say("look around"))
    assert updates[-1].kind == "reply" and GIVEN_UP in updates[-1].text and len(server.requests) <= MAX_ROUNDS + 1


def test_a_call_that_is_only_repeated_is_stopped_after_two_repetitions(talk, server, script):
    server.every_script = script.saying("", calls=[call("show_examples", rule_id="none")])
    updates = list(talk.say("look around"))
    assert updates[-1].kind == "reply" and "the same again" in updates[-1].text and len(server.requests) == 3


def test_too_many_calls_in_one_reply_are_refused(talk, server, script):
    calls = [call("show_examples", number, rule_id=f"none-{number}") for number in range(MAX_CALLS + 5)]
    server.next_scripts = [script.saying("", calls=[*calls, {**calls[0], "id": "repeated"}])]
    results = [update.text for update in talk.say("look around") if update.kind == "tool_result"]
    assert ["no calls are left" in text for text in results[:-1]] == [False] * MAX_CALLS + [True] * 5
    assert "you already made this call" in results[-1]


@pytest.mark.extended
def test_long_turn_is_shortened_then_stopped_and_does_not_burden_the_next(talk, server, script, monkeypatch):
    monkeypatch.setattr(conversation_prompt, "DEFINITION_CHARACTERS_PER_TOKEN", math.inf)
    monkeypatch.setattr(session, "open_brain", lambda *given: replace(open_brain(*given), character_budget=900.0))
    calls = [call("show_examples", number, rule_id=f"none-{number}") for number in range(MAX_ROUNDS)]
    server.next_scripts = [script.saying("", calls=[each]) for each in calls]
    updates = list(talk.say("look around"))
    assert updates[-1].kind == "reply" and GIVEN_UP in updates[-1].text
    assert len(server.requests) < MAX_ROUNDS
    assert "left out to save space" in str(server.requests[-1]["messages"])
    server.next_scripts = [script.saying("All right.")]
    assert list(talk.say("and now?"))[-1].text == "All right."
    assert "look around" not in str(server.requests[-1]["messages"])


def test_model_cannot_skip_the_question(talk, server, script):
    server.next_scripts = [script.saying("", calls=[call("train_and_score")])]
    assert kinds(talk.say("hello")) == ["tool_call", "question"]


def test_unknown_tool_is_reported_to_the_model(talk, server, script):
    server.next_scripts = [script.saying("", calls=[call("rm", path="/")])]
    updates = list(talk.say("hello"))
    assert "no tool 'rm'" in next(update.text for update in updates if update.kind == "tool_result")


def test_conversation_continues_after_the_server_failed(talk, server, script, gives_up_soon):
    server.every_script = script.failing(503)
    assert kinds(talk.say("period?"))[-1] == "failed"
    server.every_script = None
    assert kinds(talk.say("period?"))[-1] == "reply"
