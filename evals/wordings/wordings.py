"""Read the wordings, and find out what the embedded guide does with each: right, asked back, not understood, wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ape.agents.expert.transcript import parse_messages
from ape.agents.guide import guide
from ape.agents.prompts import SYSTEM

FOLDER = Path(__file__).parent
FILES = {
    "first": "written before the guide",
    "second": "written afterwards, by somebody who does not know the guide",
    "third": "a newcomer who trusts it little",
}
Outcome = Literal["right", "asked", "not understood", "wrong"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
ASKED = ("Say for example", "Which ", "On which ")  # in a question
NEAREST = "I did not understand that"
KNOWN: dict[str, Any] = {
    "channels": ["flow", "pressure", "temperature"], "period": 144, "step_seconds": 600.0, "rules": [], "dropped": [],
    "changes": 0, "first_time": "2026-02-01 00:00:00", "last_time": "2026-02-28 23:50:00", "kinds": {}, "scored": None,
}  # fmt: skip
KINDS = {  # mechanism and morphology
    "level-jump": ["abrupt_change", "step"], "level-drift": ["gradual_drift", "ramp"],
    "reading-stuck": ["stuck_sensor", "plateau"], "reading-stuck-2": ["stuck_sensor", "plateau"],
    "nightly-backup": ["transient", "spike"], "spike-local": ["transient", "spike"],
}  # fmt: skip
SCORED = {"points": 6048, "first_time": "2026-02-01 00:00:00", "last_time": "2026-03-14 23:50:00"}
EMBEDDED_REPLY = "All right."  # of earlier messages


@dataclass(frozen=True)
class Wording:
    """A message to the guide, and what it should do; see the head of ``first.toml``."""

    says: str
    does: tuple[str, ...]
    situation: str = "scored"
    before: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reaction:
    """What the guide did: the outcome, and its tool calls or its answer in short."""

    wording: Wording
    outcome: Outcome
    did: str


def read_wordings(name: str) -> list[Wording]:
    """Read ``NAME.toml``; an empty list if the file does not exist."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        return []
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Wording(
            each["says"],
            tuple(each["does"]) if isinstance(each["does"], list) else (each["does"],),
            each.get("situation", "scored"),
            tuple(each.get("before", ())),
            each.get("with", {}),
            tuple(each.get("mentions", ())),
        )
        for each in table["wording"]
    ]


def react(wordings: Sequence[Wording]) -> list[Reaction]:
    """Return what the guide does with each wording."""
    situations = tomllib.loads((FOLDER / "situations.toml").read_text(encoding="utf-8"))
    return [_react(each, situations[each.situation]) for each in wordings]


def _react(wording: Wording, situation: dict[str, Any]) -> Reaction:
    known = {**KNOWN, **situation, "scored": SCORED if situation.get("scored") else None}
    known["kinds"] = {rule: KINDS[rule] for rule in (*known["rules"], *known["dropped"])}
    messages: list[BaseMessage] = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{json.dumps(known)}\n```")]
    for said in wording.before:
        messages += [HumanMessage(said), AIMessage(EMBEDDED_REPLY)]
    transcript = parse_messages([*messages, HumanMessage(wording.says)])
    calls = guide.next_calls(transcript)
    if calls:
        right = any(name in wording.does and _has(arguments, wording.arguments) for name, arguments in calls)
        return Reaction(wording, "right" if right else "wrong", "; ".join(f"{n}({_short(a)})" for n, a in calls))
    text = guide.answer(transcript)
    mentioned = all(words.lower() in text.lower() for words in wording.mentions)
    form = "nearest" if NEAREST in text else "ask" if any(words in text for words in ASKED) else "answer"
    if form in wording.does and mentioned:
        return Reaction(wording, "right", text)
    outcomes: dict[str, Outcome] = {"nearest": "not understood", "ask": "asked", "answer": "wrong"}
    return Reaction(wording, outcomes[form], text)


def _has(arguments: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(str(arguments.get(name)) == str(value) for name, value in wanted.items())


def _short(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={str(value)[:60]}" for name, value in arguments.items() if name != "asked")
