"""What happens in a conversation, as updates that the terminal and the page show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage

from ape.tools.artefacts import Artefacts

Kind = Literal["person", "token", "reply", "tool_call", "tool_result", "question", "progress", "refused", "failed"]


@dataclass(frozen=True)
class Update:
    """One update of a conversation.

    Parameters
    ----------
    kind : str
        ``person`` and ``reply`` are messages of the person and of the guide; ``token`` is a part of a reply as a server
        sends it; ``tool_call`` and ``tool_result`` belong to a tool; ``question`` waits for yes or no; ``progress``
        reports a step of long work; ``refused`` and ``failed`` say why nothing was done.
    text : str
    picture : Path, optional
        Picture that a tool drew.
    """

    kind: Kind
    text: str
    picture: Path | None = None


def updates_of_stream(mode: str, item: Any, artefacts: Artefacts) -> Iterator[Update]:
    """Convert an item that the conversation graph streams in the mode ``messages`` or ``updates``."""
    if mode == "messages":
        message = item[0]
        if isinstance(message, AIMessageChunk) and message.content:  # complete messages arrive in the other mode
            yield Update("token", str(message.content))
        return
    for node, change in item.items():
        if node == "__interrupt__":
            yield Update("question", change[0].value["question"])
            continue
        for message in (change or {}).get("messages", []):
            yield from updates_of_message(message, artefacts)


def updates_of_message(message: AnyMessage, artefacts: Artefacts) -> Iterator[Update]:
    """Convert a message of the conversation."""
    if isinstance(message, HumanMessage):
        yield Update("person", str(message.content))
    elif isinstance(message, ToolMessage):
        result = json.loads(str(message.content))["result"]
        artefact = str(result.get("artefact", ""))
        picture = artefacts.path(artefact) if artefact.endswith(".png") else None
        yield Update("tool_result", f"{message.name}: {json.dumps(result, ensure_ascii=False)}", picture)
    elif isinstance(message, AIMessage):
        for call in message.tool_calls:
            yield Update("tool_call", f"{call['name']}({json.dumps(call['args'], ensure_ascii=False)})")
        if message.content:
            yield Update("reply", str(message.content))
