"""The messages that a model receives in a conversation: instructions, the task, and as many turns as fit.

A turn is one message of the person with all replies and tool results up to the next one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from ape.agents.brain import Brain
from ape.agents.prompts import SYSTEM
from ape.agents.tool_calls import MAX_PICTURES, picture_message
from ape.graphs.desk import Desk
from ape.tools.artefacts import Artefacts
from ape.tools.scenario import sampling_step

LEFT_OUT = json.dumps({"result": {"error": "left out to save space"}})
DEFINITION_CHARACTERS_PER_TOKEN = 4  # tool definitions are mostly prose


def message_budget(brain: Brain, tools: Sequence[BaseTool]) -> float:
    """Return the number of characters that the turns of a conversation may take beside the tool definitions."""
    definitions = sum(len(json.dumps(convert_to_openai_tool(tool))) for tool in tools)
    return brain.character_budget - definitions / DEFINITION_CHARACTERS_PER_TOKEN


def build_prompt(
    messages: Sequence[BaseMessage], desk: Desk, brain: Brain, budget: float, scored: dict[str, Any] | None = None
) -> list[BaseMessage]:
    """Return the messages to send, within a budget of characters; ``scored`` is known of the scored series.

    The last turn is always sent, see `last_turn`; earlier turns are sent from the latest back, while they fit.
    """
    *earlier, _ = split_turns(messages)
    sent = last_turn(messages, budget)
    left = budget - length(sent)
    for turn in reversed(earlier):
        left -= length(turn)
        if left < 0:
            break
        sent = [*turn, *sent]
    if brain.server is not None and (message := _last_pictures(sent, desk.workbench.artefacts)):
        sent.append(message)
    return [SystemMessage(SYSTEM["guide"]), _task_message(desk, scored), *sent]


def last_turn(messages: Sequence[BaseMessage], budget: float) -> list[BaseMessage]:
    """Return the last turn; if it is too long, its first tool results are left out one after the other."""
    turn = split_turns(messages)[-1]
    shortened = list(turn)
    for number, message in enumerate(turn):
        if length(shortened) <= budget:
            break
        if isinstance(message, ToolMessage):
            shortened[number] = message.model_copy(update={"content": LEFT_OUT})
    return shortened


def split_turns(messages: Sequence[BaseMessage]) -> list[list[BaseMessage]]:
    """Split a conversation into turns."""
    turns: list[list[BaseMessage]] = []
    for message in messages:
        if isinstance(message, HumanMessage) or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def length(messages: Sequence[BaseMessage]) -> int:
    """Return the number of characters of messages and their tool calls."""
    return sum(len(str(each.content)) + len(json.dumps(getattr(each, "tool_calls", []))) for each in messages)


def _task_message(desk: Desk, scored: dict[str, Any] | None) -> HumanMessage:
    series, rules = desk.workbench.series, [*desk.rules.values(), *desk.dropped.values()]
    task = {
        "task": "converse",
        "channels": list(series.channels),
        "period": desk.context.period,
        "step_seconds": sampling_step(series),
        **desk.workbench.span(0, series.length),
        "rules": list(desk.rules),
        "dropped": list(desk.dropped),
        "kinds": {rule.id: [rule.mechanism, rule.morphology] for rule in rules},
        "benign": [rule for rule in desk.benign if rule in desk.rules],
        "changes": len(desk.versions),
        "scored": scored,
    }
    return HumanMessage(f"What is known:\n```json\n{json.dumps(task, indent=1)}\n```")


def _last_pictures(messages: Sequence[BaseMessage], artefacts: Artefacts) -> HumanMessage | None:
    """Return a message with the last pictures that tools drew in the last turn; None if there are none."""
    results = (json.loads(str(m.content))["result"] for m in split_turns(messages)[-1] if isinstance(m, ToolMessage))
    drawn = [result["artefact"] for result in results if str(result.get("artefact", "")).endswith(".png")]
    pictures = drawn[-MAX_PICTURES:]
    return picture_message(pictures, len(pictures), artefacts) if pictures else None
