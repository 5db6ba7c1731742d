"""Messages on the page wait visibly while a turn runs; a double click sends once; nothing answers by accident."""

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest

pytest.importorskip("gradio")

from ape.cli import turns
from ape.cli.conversations import look, open_session, start
from ape.core.locks import locked
from ape.runs import Request
from ape.runs.session import UNANSWERED, Session

BOX, CHAT, QUESTION, STATUS, _REDRAWN, WAITING = range(6)


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "wave.csv"
    rows = np.sin(np.arange(700) / 4) + 0.05 * np.random.default_rng(0).normal(size=700)
    path.write_text("\n".join(["flow,level", *(f"{value:.4f},{1 + value / 9:.4f}" for value in rows)]))
    start(tmp_path / "chats", Request("chat", str(path)))
    return tmp_path / "chats"


@pytest.fixture
def say(root):
    place = {"run": "wave", "thread": "main"}
    return lambda text: turns.say(root, place, text)


def said(values, role="user"):
    return [message["content"] for message in values[CHAT] if message["role"] == role]


def test_a_message_is_answered_and_the_box_is_emptied_once(say):
    first, *others = say("help")
    assert first[BOX] == ""
    assert all(values[BOX] != "" for values in others)  # what is typed meanwhile stays
    assert said(others[-1]) == ["help"] and others[-1][STATUS] == ""


def test_messages_wait_visibly_and_in_order_while_a_turn_runs(say, root):
    ends = {}

    def send(text):
        ends[text] = list(say(text))

    with locked(root / "wave"):
        tabs = [threading.Thread(target=send, args=(text,)) for text in ("what is its <b>period", "help")]
        for tab in tabs:
            tab.start()
            time.sleep(2 * turns.POLL)
    for tab in tabs:
        tab.join(60)
    waited = [values[WAITING] for values in ends["help"]]
    assert "*Waits until the last request is done:* what is its &lt;b&gt;period; help" in waited and waited[-1] == ""
    session = open_session(root, {"run": "wave"})
    assert [each.text for each in session.history() if each.kind == "person"] == ["what is its <b>period", "help"]


def test_the_same_message_within_a_second_is_sent_once(say, root):
    first = say("help")
    next(first)
    (values,) = say("help")
    assert values[BOX] != ""
    assert len(said(list(first)[-1])) == 1
    time.sleep(turns.DOUBLE_CLICK)
    assert len(said(list(say("help"))[-1])) == 2


def test_a_message_sent_before_a_question_does_not_answer_it(say, root, monkeypatch):
    asks = turns.say(root, {"run": "wave"}, "mine")
    values = []
    tab = threading.Thread(target=lambda: values.extend(say("yes")))
    with locked(root / "wave"):
        tab.start()
        time.sleep(2 * turns.POLL)
        monkeypatch.setattr(turns, "waits", lambda history: True)  # the turn that runs ends with a question
        tab.join(60)
    assert values[-1][BOX] == "yes" and UNANSWERED in values[-1][STATUS]
    monkeypatch.undo()
    assert said(list(asks)[-1]) == ["mine"]  # and nothing waits any more


def test_a_refused_message_returns_to_the_box(say):
    list(say("mine"))
    *_, last = say("show 20 to 90")
    assert last[BOX] == "show 20 to 90"
    assert last[STATUS] == f"**{UNANSWERED}**" and last[QUESTION]["visible"]


def test_without_a_conversation_the_message_stays(tmp_path):
    (values,) = turns.say(tmp_path, {}, "help")
    assert values[BOX] == "help" and "Start a conversation" in values[STATUS]


def test_a_damaged_conversation_is_one_line(root, say):
    (root / "series" / "wave.csv").unlink()
    (values,) = say("help")
    assert values[BOX] == "help" and "wave.csv" in values[STATUS] and "\n" not in values[STATUS]


def test_all_channels_can_be_chosen_whatever_is_chosen(root, tmp_path):
    assert look(tmp_path, Request("chat", str(tmp_path / "wave.csv"), column=("level",))).channels == ("flow", "level")


def test_a_message_that_takes_long_to_send_is_not_given_up(say, root, monkeypatch):
    monkeypatch.setattr(turns, "LOST", 0.5)
    monkeypatch.setattr(turns, "POLL", 0.1)
    begins = Session.say

    def slow(session, text):
        time.sleep(1.5)
        yield from begins(session, text)

    monkeypatch.setattr(Session, "say", slow)
    ends = {}
    tabs = [
        threading.Thread(target=lambda text=text: ends.update({text: list(say(text))})) for text in ("help", "why?")
    ]
    for tab in tabs:
        tab.start()
        time.sleep(0.2)
    for tab in tabs:
        tab.join(60)
    history = open_session(root, {"run": "wave"}).history()
    assert {each.text for each in history if each.kind == "person"} == {"help", "why?"}
    assert [values[-1][STATUS] for values in ends.values()] == ["", ""]


@pytest.mark.parametrize(
    "text", ["![a](http://x.example/a.png)", "[![a][b]](c)\n[b]: http://x.example", "!![a](b)", "<img src=x>"]
)
def test_what_would_load_a_picture_is_escaped(text):
    shown = turns.escape(text)
    assert "![" not in shown and "<" not in shown
    assert shown.replace("!&#91;", "![").replace("&lt;", "<").replace("&gt;", ">") == text


def test_diagrams_are_not_drawn():
    """Gradio draws blocks that begin so, with the HTML in them."""
    assert not re.search(r"^```mermaid", turns.escape("```mermaid\ngraph TD; A[<img src=x>]\n```"), re.MULTILINE)


@pytest.mark.parametrize("text", ['{"a": 1}', "```\n![a](http://x.example)", "````", "a `b` c"])
def test_a_block_of_code_cannot_be_left(text):
    first, *inside, last = turns.fenced(text, "json").splitlines()
    assert first == f"{last}json" and "\n".join(inside) == text and last not in inside
