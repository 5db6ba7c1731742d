"""Parse a conversation into data: the agent, the task, the tool results so far, and the pictures."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

ToolCalls = list[tuple[str, dict[str, Any]]]  # name and arguments of each call

ROLE = re.compile(r"^You are the ([a-z ]+)\.", re.MULTILINE)
JSON_BLOCK = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True)
class ToolResult:
    """One tool result in the messages."""

    tool: str
    arguments: dict[str, Any]
    value: dict[str, Any]
    evidence: str


@dataclass(frozen=True)
class Transcript:
    """All that the embedded expert knows.

    Parameters
    ----------
    agent : str
    task : dict
        From the first message.
    results : list of ToolResult
        In order.
    pictures : dict of str to bytes
        PNG by artefact id.
    request : str
        The person's last message.
    earlier : list of str
        All texts before it, of the person and of the agent, in order.
    results_before : int
        Number of results before the person's last message.
    """

    agent: str
    task: dict[str, Any]
    results: list[ToolResult]
    pictures: dict[str, bytes] = field(default_factory=dict)
    request: str = ""
    earlier: list[str] = field(default_factory=list)
    results_before: int = 0

    def results_of(self, tool: str) -> list[ToolResult]:
        """Return the results of one tool that are not errors."""
        return [result for result in self.results if result.tool == tool and "error" not in result.value]

    def called(self, tool: str) -> bool:
        """Return whether a tool was called, with or without an error."""
        return any(result.tool == tool for result in self.results)


def parse_messages(messages: Sequence[BaseMessage]) -> Transcript:
    """Parse a conversation; parts that cannot be parsed are ignored."""
    agent, results_before = "", 0
    task: dict[str, Any] = {}
    results: list[ToolResult] = []
    pictures: dict[str, bytes] = {}
    texts: list[str] = [""]
    last = 0  # of the person, in the texts
    for message in messages:
        if isinstance(message, SystemMessage):
            match = ROLE.search(str(message.content))
            agent = match.group(1) if match else agent
        elif isinstance(message, ToolMessage):
            results.append(_parse_result(message))
        elif isinstance(message, HumanMessage):
            if isinstance(message.content, list):
                pictures |= _parse_pictures(message.content)
            elif not task and (block := JSON_BLOCK.search(message.content)):
                task = _parse_object(block.group(1))
            else:
                last, results_before = len(texts), len(results)
                texts.append(message.content)
        elif isinstance(message, AIMessage):
            texts.append(str(message.content))
    return Transcript(agent, task, results, pictures, texts[last], texts[:last], results_before)


def _parse_result(message: ToolMessage) -> ToolResult:
    body = _parse_object(str(message.content))
    evidence = str(body.get("evidence", ""))
    return ToolResult(message.name or "", body.get("arguments", {}), body.get("result", {}), evidence)


def _parse_object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _parse_pictures(blocks: list[Any]) -> dict[str, bytes]:
    """Return the pictures by the artefact id in the text before each."""
    pictures, name = {}, ""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        if block.get("type") == "text":
            name = str(block.get("text", "")).removeprefix("Picture ").removesuffix(":")
        elif block.get("type") == "image":
            pictures[name] = base64.b64decode(block.get("base64", ""))
    return pictures
