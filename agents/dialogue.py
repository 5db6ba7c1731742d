"""Write a conversation in the form that a model's chat template accepts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage


def merge_users(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Join consecutive messages of the user, which the templates of some models refuse."""
    merged: list[BaseMessage] = []
    for message in messages:
        if merged and isinstance(message, HumanMessage) and isinstance(merged[-1], HumanMessage):
            merged[-1] = _joined(merged[-1], message)
        else:
            merged.append(message)
    return merged


def plain_dialogue(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return a conversation of user and assistant in turn: instructions, calls and results become their text.

    The templates of Gemma and older Mistral models know no other roles.
    """
    return merge_users([_plain(message) for message in messages])


def _plain(message: BaseMessage) -> BaseMessage:
    if isinstance(message, SystemMessage):
        return HumanMessage(message.content)
    if isinstance(message, ToolMessage):
        return HumanMessage(f"Result of {message.name}:\n{message.content}")
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [json.dumps({"name": call["name"], "parameters": call["args"]}) for call in message.tool_calls]
        return AIMessage("\n".join(filter(None, [str(message.content), *calls])))
    return message


def _joined(first: HumanMessage, second: HumanMessage) -> HumanMessage:
    if isinstance(first.content, str) and isinstance(second.content, str):
        return HumanMessage(f"{first.content}\n\n{second.content}")
    return HumanMessage([*_blocks(first), *_blocks(second)])


def _blocks(message: HumanMessage) -> list[Any]:
    return [{"type": "text", "text": message.content}] if isinstance(message.content, str) else message.content
