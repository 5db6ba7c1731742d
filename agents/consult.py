"""One consultation of one agent: it calls tools until it has seen enough, then answers in its record."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

from ape.agents.brain import Brain
from ape.agents.prompts import SYSTEM
from ape.agents.replies import Spent, reply
from ape.core.errors import InputError
from ape.tools.artefacts import Artefacts, evidence_id, evidence_record

MAX_ROUNDS = 6
MAX_CALLS = 40
PICTURE = 1100  # characters that a picture is as long as
MAX_PICTURES = 4  # servers are told to expect no more in a conversation
ATTEMPTS = 2  # at an answer that fits the schema

Answer = TypeVar("Answer", bound=BaseModel)
Listener = Callable[[str, str], None]


@dataclass(frozen=True)
class Consultation:
    """An agent's answer, the evidence ids of its tool results in order, how many tools it called, and what it cost."""

    role: str
    answer: Any
    evidence: tuple[str, ...]
    calls: int
    spent: Spent


async def consult(
    brain: Brain,
    role: str,
    task: dict[str, Any],
    tools: Sequence[BaseTool],
    schema: type[Answer],
    artefacts: Artefacts,
    listen: Listener = lambda role, note: None,
) -> Consultation:
    """Put ``task`` to the agent of this role.

    Parameters
    ----------
    brain : Brain
    role : str
        A key of `ape.agents.prompts.SYSTEM`.
    task : dict
        Plain data; the agent reads it as JSON.
    tools : sequence of BaseTool
        What it may call.
    schema : type of BaseModel
        Record that its answer must fit.
    artefacts : Artefacts
        Tool results are kept here, so that evidence ids can be looked up, and pictures are read from here.
    listen : callable
        Told ``(role, note)`` as things happen.

    Raises
    ------
    InputError
        If no answer fits the schema, or the brain's server fails for long.
    """
    by_name = {tool.name: tool for tool in tools}
    messages: list[BaseMessage] = [
        SystemMessage(SYSTEM[role]),
        HumanMessage(f"Task:\n```json\n{json.dumps(task, indent=1)}\n```"),
    ]
    evidence: list[str] = []
    shown, spent, room = 0, Spent(), brain.room
    made: dict[str, str] = {}  # evidence by call
    for _ in range(MAX_ROUNDS if tools else 0):
        said, cost = await reply(brain, messages, tools)
        spent += cost
        room -= len(str(said.content)) + len(json.dumps(said.tool_calls))
        if not said.tool_calls or room <= 0:
            break
        messages.append(said)
        pictures: list[str] = []
        for call in said.tool_calls:
            asked = written(call["name"], call["args"])
            if (refusal := refused(len(evidence), room, made.get(asked))) is not None:
                content = json.dumps({"result": {"error": refusal}})
                messages.append(ToolMessage(content, tool_call_id=call["id"], name=call["name"]))
                continue
            listen(role, f"calls {call['name']}({', '.join(f'{k}={v}' for k, v in call['args'].items())[:60]})")
            result = await asyncio.to_thread(call_tool, by_name, call)
            evidence_id = keep(call, result, artefacts)
            evidence.append(evidence_id)
            made[asked] = evidence_id
            content = json.dumps({"evidence": evidence_id, "arguments": call["args"], "result": result})
            room -= len(content)
            messages.append(ToolMessage(content, tool_call_id=call["id"], name=call["name"]))
            if str(result.get("artefact", "")).endswith(".png"):
                pictures.append(result["artefact"])
        if pictures:
            room -= PICTURE * len(pictures)
            messages.append(show(pictures[: MAX_PICTURES - shown], len(pictures), artefacts))
            shown = min(MAX_PICTURES, shown + len(pictures))
    answer, cost = await _answer(brain, role, messages, schema)
    return Consultation(role, answer, tuple(evidence), len(evidence), spent + cost)


async def _answer(brain: Brain, role: str, messages: list[BaseMessage], schema: type[Answer]) -> tuple[Answer, Spent]:
    asked = [*messages, HumanMessage(f"Answer now with a {schema.__name__}, as JSON.")]
    problem, spent = "", Spent()
    for _ in range(ATTEMPTS):
        said, cost = await reply(brain, asked, schema=schema)
        spent += cost
        try:
            return schema.model_validate_json(str(said.content)), spent
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
        asked = [*asked, HumanMessage(f"That answer does not fit the schema: {problem[:400]}. Answer again.")]
    raise InputError(
        f"the {role} gave no valid {schema.__name__}: {problem[:200]}",
        "brain",
        "use a model that keeps to JSON schemas",
    )


def written(tool: str, arguments: dict[str, Any]) -> str:
    """A call as text, the same for the same call."""
    return json.dumps([tool, arguments], sort_keys=True)


def refused(calls: int, room: float, made: str | None) -> str | None:
    """Why a call is not made, if it is not."""
    if made is not None:
        return f"you have made this call: its result is {made}"
    if calls >= MAX_CALLS:
        return "no calls are left; answer now"
    return "there is no room for more results; answer now" if room <= 0 else None


def call_tool(by_name: dict[str, BaseTool], call: ToolCall) -> dict[str, Any]:
    """Result of a call; what cannot be called, or not so, is a result too: ``{"error": ...}``."""
    tool = by_name.get(call["name"])
    if tool is None:
        return {"error": f"no tool '{call['name']}'; there are {sorted(by_name)}"}
    try:
        result = tool.invoke(call["args"])
    except ValueError as error:  # pydantic's refusal of arguments is one too
        return {"error": str(error)[:400]}
    return json.loads(result)


def keep(call: ToolCall, result: dict[str, Any], artefacts: Artefacts) -> str:
    """Store a tool result; returns its evidence id."""
    record = evidence_record(call["name"], call["args"], result)
    artefacts.put_bytes(record, ".json")
    return evidence_id(call["name"], record)


def show(pictures: list[str], drawn: int, artefacts: Artefacts) -> HumanMessage:
    """Message with these pictures, and how many of those drawn it leaves out."""
    blocks: list[str | dict[str, Any]] = []
    if len(pictures) < drawn:
        left = f"No more than {MAX_PICTURES} pictures can be shown; {drawn - len(pictures)} were left out."
        blocks.append({"type": "text", "text": left})
    for picture in pictures:
        data = base64.b64encode(artefacts.get_bytes(picture)).decode()
        blocks += [
            {"type": "text", "text": f"Picture {picture}:"},
            {"type": "image", "base64": data, "mime_type": "image/png"},
        ]
    return HumanMessage(content=blocks)
