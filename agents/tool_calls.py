"""Tool calls of an agent: refuse or make them, store their results as evidence, and put these into messages."""

from __future__ import annotations

import base64
import json
from typing import Any

from langchain_core.messages import HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool

from ape.agents.written_calls import UNREADABLE
from ape.tools.artefacts import Artefacts, evidence_id, evidence_record

MAX_CALLS = 40
MAX_PICTURES = 4  # in a conversation; servers are started with this limit


def call_key(tool: str, arguments: dict[str, Any]) -> str:
    """Return a text that is equal for equal calls."""
    return json.dumps([tool, arguments], sort_keys=True)


def refusal(calls_made: int, character_budget: float, earlier_evidence: str | None) -> str | None:
    """Return why a call is refused, ``None`` if it is not.

    Parameters
    ----------
    calls_made : int
        Calls made so far.
    character_budget : float
        Characters of tool results that still fit into the conversation.
    earlier_evidence : str or None
        Evidence id of an earlier call that was equal.
    """
    if earlier_evidence is not None:
        return f"you already made this call: its result is {earlier_evidence}"
    if calls_made >= MAX_CALLS:
        return "no calls are left; answer now"
    return "no further results fit into the conversation; answer now" if character_budget <= 0 else None


def call_tool(tools: dict[str, BaseTool], call: ToolCall) -> dict[str, Any]:
    """Call one of the ``tools`` by name and return its result; errors are results too: ``{"error": ...}``."""
    tool = tools.get(call["name"])
    if tool is None:
        return {"error": f"no tool '{call['name']}'; use one of {sorted(tools)}"}
    if UNREADABLE in call["args"]:
        return {"error": f"the arguments are no JSON object with the fields {sorted(tool.args)}"}
    try:
        result = tool.invoke(call["args"])
    except ValueError as error:  # includes pydantic's error for invalid arguments
        return {"error": str(error)[:400]}
    return json.loads(result)


def store_evidence(call: ToolCall, result: dict[str, Any], artefacts: Artefacts) -> str:
    """Store a tool call with its result and return the evidence id."""
    record = evidence_record(call["name"], call["args"], result)
    artefacts.put_bytes(record, ".json")
    return evidence_id(call["name"], record)


def result_message(call: ToolCall, result: dict[str, Any], evidence: str) -> ToolMessage:
    """Return the message that carries the result of a call and its evidence id."""
    content = json.dumps({"evidence": evidence, "arguments": call["args"], "result": result})
    return ToolMessage(content, tool_call_id=call["id"], name=call["name"])


def picture_message(pictures: list[str], drawn: int, artefacts: Artefacts) -> HumanMessage:
    """Return a message with the ``pictures`` (artefact ids), which are all or some of the ``drawn`` ones."""
    blocks: list[str | dict[str, Any]] = []
    if len(pictures) < drawn:
        text = f"At most {MAX_PICTURES} pictures can be shown; {drawn - len(pictures)} were left out."
        blocks.append({"type": "text", "text": text})
    for picture in pictures:
        data = base64.b64encode(artefacts.get_bytes(picture)).decode()
        blocks += [
            {"type": "text", "text": f"Picture {picture}:"},
            {"type": "image", "base64": data, "mime_type": "image/png"},
        ]
    return HumanMessage(content=blocks)
