"""Reading a conversation back into data: the task, the tool results so far, and the pictures that were sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

ROLE = re.compile(r"^You are the ([a-z ]+)\.", re.MULTILINE)
FENCE = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """One tool result as it stands in the messages."""

    tool: str
    arguments: dict[str, Any]
    value: dict[str, Any]
    evidence: str


@dataclass(frozen=True)
class Transcript:
    """All that the embedded expert knows.

    Of a conversation: what was ``said`` last, all that was said ``earlier`` by anyone, and how many results were
    ``known`` when it was said.
    """

    role: str
    task: dict[str, Any]
    results: list[Result]
    pictures: dict[str, bytes] = field(default_factory=dict)
    said: str = ""
    earlier: list[str] = field(default_factory=list)
    known: int = 0

    def all(self, tool: str) -> list[Result]:
        """Results of one tool that are not errors."""
        return [result for result in self.results if result.tool == tool and "error" not in result.value]

    def called(self, tool: str) -> bool:
        """Whether a tool was called, with whatever outcome."""
        return any(result.tool == tool for result in self.results)


def read(messages: Sequence[BaseMessage]) -> Transcript:
    """Read a conversation; what does not parse is treated as not there."""
    role, results = "", []
    task: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}
    said, earlier, known = "", list[str](), 0
    for message in messages:
        if isinstance(message, SystemMessage):
            found = ROLE.search(str(message.content))
            role = found.group(1) if found else role
        elif isinstance(message, ToolMessage):
            body = _json(str(message.content))
            results.append(
                Result(
                    message.name or "", body.get("arguments", {}), body.get("result", {}), str(body.get("evidence", ""))
                )
            )
        elif isinstance(message, HumanMessage):
            if isinstance(message.content, list):
                pictures |= _pictures(message.content)
            elif not task and (fenced := FENCE.search(message.content)):
                task = _json(fenced.group(1))
            else:
                earlier += [said]
                said, known = message.content, len(results)
        elif isinstance(message, AIMessage):
            earlier.append(str(message.content))
    return Transcript(role, task, results, pictures, said, earlier, known)


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _pictures(blocks: list[Any]) -> dict[str, bytes]:
    pictures, name = {}, ""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        if block.get("type") == "text":
            name = str(block.get("text", "")).removeprefix("Picture ").removesuffix(":")
        elif block.get("type") == "image":
            pictures[name] = base64.b64decode(block.get("base64", ""))
    return pictures
