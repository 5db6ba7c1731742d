"""A turn of a conversation can be stopped: nothing changes, no call waits for a result, and the next turn works."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
from langchain_core.messages import AIMessage

from ape.core.locks import locked
from ape.runs.folder import Request
from ape.runs.session import Session
from ape.runs.stopping import STOPPED

ADD = "add a rule: the sensor gets stuck for 20 to 40 samples"


@pytest.fixture
def session(tmp_path):
    values = np.sin(2 * np.pi * np.arange(900) / 25) + 0.05 * np.random.default_rng(0).normal(size=900)
    np.savez(tmp_path / "wave.npz", values=values, train_end=600)
    request = Request(command="chat", data=str(tmp_path / "wave.npz"))
    return Session.create(tmp_path / "chat", request, request.load())


def stopped_at(session, turn, count):
    """Stop a turn at one of its reports of progress, and return its updates."""
    updates = []
    for update in turn:
        updates.append(update)
        if sum(each.kind == "progress" for each in updates) == count:
            session.stop()
    return updates


@pytest.mark.parametrize("count", [1, 12])
def test_mining_that_is_stopped_changes_nothing_and_can_be_done_again(session, count):
    list(session.say(ADD))
    list(session.say("mine"))
    updates = stopped_at(session, session.answer(True), count)
    assert (updates[-1].kind, updates[-1].text) == ("reply", STOPPED)
    assert len(session.cards()) == 1
    assert [each.text for each in Session(session.folder).history()][-1] == STOPPED
    list(session.say("mine"))
    assert list(session.answer(True))[-1].kind == "reply"
    assert len(session.cards()) > 1


def test_training_that_is_stopped_ends_within_seconds(session):
    list(session.say(ADD))
    list(session.say("go"))
    begin = time.monotonic()
    assert stopped_at(session, session.answer(True), 1)[-1].text == STOPPED
    assert time.monotonic() - begin < 20
    with locked(session.folder) as alone:
        assert alone
    assert "stuck" in list(session.say("list the rules"))[-1].text


def test_a_stop_interrupts_a_model_that_does_not_answer(session, monkeypatch):
    async def never(*_arguments, **_options):
        await asyncio.sleep(60)
        return AIMessage("too late"), {}

    with monkeypatch.context() as patch:
        patch.setattr("ape.graphs.conversation.request_reply", never)
        turn = session.say("hello")
        threading.Timer(0.5, session.stop).start()
        begin = time.monotonic()
        assert list(turn)[-1].text == STOPPED
        assert time.monotonic() - begin < 10
    assert list(session.say("help"))[-1].kind == "reply"


def test_a_stop_between_turns_does_nothing(session):
    session.stop()
    assert list(session.say("what is its period?"))[-1].text != STOPPED
