"""The turns of a conversation on the page: messages, buttons, and what the chat shows while a turn runs."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import gradio as gr

from ape.cli.conversations import Place, open_session
from ape.core.errors import InputError
from ape.runs.session import BUSY, UNANSWERED, Session
from ape.runs.updates import Update

Messages = list[dict[str, Any]]
Values = tuple[Any, ...]  # of the components of a turn: messages, question, status, and what redraws the cards

POLL = 0.3  # seconds between two tries to send a message that waits
LOST = 5.0  # seconds without a try after which a message that waits is given up: its page was closed
DOUBLE_CLICK = 1.0  # seconds within which the same message is sent once
SKIP: Values = (gr.skip(),) * 4
NO_CONVERSATION = "Start a conversation first."


@dataclass(eq=False)
class _Waiting:
    """A message that waits until earlier turns are done."""

    text: str
    tried: float = field(default_factory=time.monotonic)


_lines: dict[Path, list[_Waiting]] = defaultdict(list)  # messages that wait, by conversation
_latest: dict[Path, tuple[str, float]] = {}  # the last message of each conversation, and when it came


def say(root: Path, place: Place, text: str) -> Iterator[Values]:
    """Send a message; yield the text of the message box, the values of a turn, and the messages that wait.

    While another turn runs, the message waits. One that was sent before a question was asked does not answer it: it
    returns to the box.
    """
    session, problem = _opened(root, place)
    if session is None:
        yield text, *SKIP[:2], f"**{problem}**", gr.skip(), gr.skip()
        return
    now, earlier = time.monotonic(), _latest.get(session.folder)
    if earlier is not None and earlier[0] == text and now - earlier[1] < DOUBLE_CLICK:
        yield gr.skip(), *SKIP, gr.skip()
        return
    _latest[session.folder] = (text, now)
    yield "", *SKIP, gr.skip()
    line, own, asked = _lines[session.folder], _Waiting(text), waits(session.history())
    line.append(own)
    while (first := _first_update(session, line, own)) is None:
        yield gr.skip(), *SKIP, _waiting_text(line)
        time.sleep(POLL)
        if not asked and waits(session.history()):
            line.remove(own)
            yield text, *turn_values(session, UNANSWERED), _waiting_text(line)
            return
    line.remove(own)
    update, updates = first
    box = text if update is not None and update.kind == "refused" else gr.skip()
    for values in follow(session, chain([update] if update else [], updates), Update("person", text)):
        yield box, *values, _waiting_text(line)


def _waiting_text(line: list[_Waiting]) -> str:
    return f"*Waits until the last request is done:* {escape('; '.join(each.text for each in line))}" if line else ""


def _first_update(
    session: Session, line: list[_Waiting], own: _Waiting
) -> tuple[Update | None, Iterator[Update]] | None:
    """Send the message if it is its turn; return the first update and the others, None if another turn still runs."""
    own.tried = now = time.monotonic()
    line[:] = [each for each in line if now - each.tried < LOST]
    if line[0] is not own:
        return None
    own.tried = math.inf  # sending takes long on a busy machine; meanwhile the message is not lost
    updates = session.say(own.text)
    first = next(updates, None)
    own.tried = time.monotonic()
    busy = first is not None and first.kind == "refused" and first.text.startswith(BUSY)
    return None if busy else (first, updates)


def answer(root: Path, place: Place, agreed: bool) -> Iterator[Values]:
    """Answer the question that waits, as its buttons do."""
    session, problem = _opened(root, place)
    if session is None:
        yield *SKIP[:2], f"**{problem}**", gr.skip()
        return
    yield from follow(session, session.answer(agreed))


def act(root: Path, place: Place, tool: str, arguments: dict[str, Any], request: str) -> Iterator[Values]:
    """Call a tool, as the buttons of the cards do."""
    session, problem = _opened(root, place)
    if session is None:
        yield *SKIP[:2], f"**{problem}**", gr.skip()
        return
    yield from follow(session, session.act(tool, arguments, request), Update("person", request))


def follow(session: Session, updates: Iterator[Update], first: Update | None = None) -> Iterator[Values]:
    """Yield the values of the turn's components while a turn runs, and after it."""
    shown, note, reply = [*session.history(), *([first] if first else [])], "", ""
    yield messages_of(shown), gr.update(visible=False), "*working ...*", gr.skip()
    for update in updates:
        if update.kind in ("refused", "failed"):
            note = update.text
        elif update.kind == "progress":
            yield *SKIP[:2], escape(update.text), gr.skip()
        elif update.kind == "token":
            reply += update.text
            yield messages_of([*shown, Update("reply", reply)]), *SKIP[1:]
        else:
            reply = ""
            shown.append(update)
            yield messages_of(shown), *SKIP[1:]
    yield turn_values(session, note)


def turn_values(session: Session | None, note: str = "") -> Values:
    """Return the messages, whether a question waits, the status, and a new value that redraws the cards."""
    history = session.history() if session else []
    status = f"**{escape(' '.join(note.split()))}**" if note else ""
    return messages_of(history), gr.update(visible=waits(history)), status, time.monotonic_ns()


def waits(history: list[Update]) -> bool:
    """Whether a question waits for an answer."""
    return bool(history) and history[-1].kind == "question"


def messages_of(updates: list[Update]) -> Messages:
    """Convert updates to messages of the chat: tool results folded, pictures below them."""
    messages: Messages = []
    for update in updates:
        if update.kind == "person":
            messages.append({"role": "user", "content": escape(update.text)})
        elif update.kind in ("reply", "question"):
            messages.append({"role": "assistant", "content": escape(update.text)})
        elif update.kind == "tool_result":
            tool, _, result = update.text.partition(": ")
            folded = {"title": escape(tool), "status": "done"}
            messages.append({"role": "assistant", "content": fenced(result[:4000], "json"), "metadata": folded})
            if update.picture is not None and update.picture.is_file():
                messages.append({"role": "assistant", "content": {"path": str(update.picture), "alt_text": tool}})
    return messages


def escape(text: str) -> str:
    """Escape HTML, pictures and diagrams, which names, lines from files and replies of a model may contain.

    A browser would ask another machine for a picture as soon as it is shown, and Gradio draws diagrams with the HTML in
    them.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("![", "!&#91;").replace("```mermaid", "``` mermaid")


def fenced(text: str, kind: str = "") -> str:
    """Return a text as a block of code, which shows it as it is."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text}\n{fence}"


def _opened(root: Path, place: Place) -> tuple[Session | None, str]:
    """Return the conversation that is open, or why there is none."""
    try:
        return open_session(root, place), NO_CONVERSATION
    except InputError as error:
        return None, escape(str(error))
