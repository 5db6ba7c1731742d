"""The conversation graph: the guide thinks, tools act, and a person is asked before anything long or final.

The desk of rules is part of the state, so that a conversation that goes on, or branches off, has the rules of then.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from ape.agents.brain import Brain
from ape.agents.prompts import SYSTEM
from ape.agents.replies import request_reply
from ape.agents.tool_calls import MAX_PICTURES, call_key, call_tool, picture_message, refusal, store_evidence
from ape.core.progress import Listener
from ape.graphs.desk import Desk, desk_tools
from ape.graphs.state import RecordDecision
from ape.rules import Rule, RuleBank
from ape.tools import inspector_tools, profiler_tools
from ape.tools.boundary import agent_tool
from ape.tools.scenario import sampling_step, scenario_tools
from ape.tools.workbench import Workbench

# What takes long or is final, and what a person is asked before it.
COSTLY = {
    "mine_rules": "Mine the series for ways in which it can go wrong? It takes some seconds to a minute.",
    "train_and_score": "Train a detector, post-train it with the rules on the desk and score the series? It takes"
    " half a minute to some minutes.",
}
MOST_ROUNDS = 8  # of tools, for one thing that was said
LEFT_OUT = json.dumps({"result": {"error": "left out, for want of room"}})
CHARACTERS = 4  # a token of the tools' definitions
CHANGING = ("add_rule", "change_rule", "drop_rule", "restore_rule", "mine_rules")


class Talk(TypedDict, total=False):
    """What a checkpoint of the conversation holds."""

    messages: Annotated[list[AnyMessage], add_messages]
    rules: list[Rule]
    dropped: list[Rule]
    figures: dict[str, dict[str, float]]
    versions: list[list[Rule]]
    period: int | None


@dataclass(frozen=True)
class Conversation:
    """What the nodes work with and no checkpoint holds.

    Parameters
    ----------
    workbench : Workbench
    brain : Brain
    record : callable
        Records one decision.
    seed : int
    mine : callable
        Mines the series' bank.
    train : callable
        Takes a bank, trains, post-trains and scores; answers with the report.
    scores : callable
        PNG of the scores before and after; a `ValueError` where there are none yet.
    listen : callable
    """

    workbench: Workbench
    brain: Brain
    record: RecordDecision
    seed: int
    mine: Callable[[], RuleBank]
    train: Callable[[RuleBank], dict[str, Any]]
    scores: Callable[[], bytes]
    listen: Listener


async def think(state: Talk, runtime: Runtime[Conversation]) -> Talk:
    """The guide answers what was said, or calls tools for it."""
    talk = runtime.context
    desk = desk_of(state, talk.workbench, talk.seed)
    tools = all_tools(desk, talk)
    room = talk.brain.character_budget - sum(len(json.dumps(convert_to_openai_tool(tool))) for tool in tools) / CHARACTERS
    *before, last = _turns(state["messages"])
    last, rounds = _shortened(last, room), _rounds(state)
    if rounds >= MOST_ROUNDS or (rounds and _length(last) > room):
        return {"messages": [AIMessage("I have tried enough and stop here. Ask again in other words, or for less.")]}
    said, _ = await request_reply(talk.brain, _for_the_brain(before, last, desk, talk, room), tools, stream=True)
    return {"messages": [said]}


async def act(state: Talk, runtime: Runtime[Conversation]) -> Talk:
    """Tools act; a person is asked first where it takes long or is final."""
    talk = runtime.context
    calls = state["messages"][-1].tool_calls  # type: ignore[union-attr]
    costly = [call["name"] for call in calls if call["name"] in COSTLY]
    agreed = not costly or bool(interrupt({"tool": costly[0], "question": COSTLY[costly[0]]}))
    desk = desk_of(state, talk.workbench, talk.seed)
    by_name = {tool.name: tool for tool in all_tools(desk, talk)}
    messages: list[AnyMessage] = []
    made = _made(state)
    for call in calls:
        asked = call_key(call["name"], call["args"])
        if reason := refusal(len(made), math.inf, made.get(asked)):
            result: dict[str, Any] = {"error": reason}
        elif call["name"] in COSTLY and not agreed:
            result = {"declined": call["name"]}
        else:
            talk.listen("guide", f"calls {call['name']}")
            result = await asyncio.to_thread(call_tool, by_name, call)
        evidence = store_evidence(call, result, talk.workbench.artefacts)
        made.setdefault(asked, evidence)
        told = {"evidence": evidence, "arguments": call["args"], "result": result}
        messages.append(ToolMessage(json.dumps(told), tool_call_id=call["id"], name=call["name"]))
        if call["name"] in CHANGING and not result.keys() & {"error", "declined"}:
            rule = result.get("rule") or result.get("dropped")
            asked = str(call["args"].get("asked", COSTLY.get(call["name"], "")))
            figures = desk.figures.get(rule, {}) if isinstance(rule, str) else {}
            talk.record(
                "person", call["name"], asked, rule=rule if isinstance(rule, str) else None,
                iteration=len(desk.versions), evidence=(evidence,), figures=figures,
            )  # fmt: skip
    return {
        "messages": messages,
        "rules": list(desk.rules.values()),
        "dropped": list(desk.dropped.values()),
        "figures": desk.figures,
        "versions": desk.versions,
        "period": desk.period,
    }


def after_thinking(state: Talk) -> Literal["act", "__end__"]:
    """Act where tools were called; else it is the person's turn."""
    return "act" if getattr(state["messages"][-1], "tool_calls", None) else "__end__"


def build_conversation(
    thinking: Callable[..., Awaitable[Talk]] = think,
    acting: Callable[..., Awaitable[Talk]] = act,
    context: type[Any] = Conversation,
) -> StateGraph[Talk, Any, Talk, Talk]:
    """Wire the nodes, which work with a context of this kind."""
    graph: StateGraph[Talk, Any, Talk, Talk] = StateGraph(Talk, context_schema=context)
    graph.add_node("think", thinking)
    graph.add_node("act", acting)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", after_thinking)
    graph.add_edge("act", "think")
    return graph


def desk_of(state: Talk, workbench: Workbench, seed: int) -> Desk:
    """The desk as the state has it."""
    return Desk(
        workbench,
        seed,
        state.get("period"),
        {rule.id: rule for rule in state.get("rules", [])},
        {rule.id: rule for rule in state.get("dropped", [])},
        dict(state.get("figures", {})),
        list(state.get("versions", [])),
    )


def all_tools(desk: Desk, talk: Conversation) -> list[BaseTool]:
    """What the guide may call: measurements, pictures, the desk, mining, training, scores."""

    @agent_tool
    def mine_rules() -> dict[str, Any]:
        """Let the agents mine the series, and lay the rules that they accept on the desk. Takes long."""
        bank = talk.mine()
        desk.take(bank)
        return {"rules": [desk.told(rule) for rule in bank.rules], "dropped": list(desk.dropped), "ended": bank.ended}

    @agent_tool
    def train_and_score() -> dict[str, Any]:
        """Train a detector, post-train it with the rules that pass, and score the series. Takes long; final."""
        bank = desk.bank()
        if not bank.rules:
            msg = "there is no rule on the desk that passes its check"
            raise ValueError(msg)
        report = talk.train(bank)
        drawn = talk.workbench.artefacts.put_bytes(talk.scores(), ".png")
        return {"accepted": report["accepted"], "reason": report["reason"], "rules": len(bank.rules), "artefact": drawn}

    @agent_tool
    def show_scores() -> dict[str, Any]:
        """Picture of the whole series with its scores before and after post-training."""
        return {"artefact": talk.workbench.artefacts.put_bytes(talk.scores(), ".png")}

    looking = [*scenario_tools(talk.workbench), *profiler_tools(talk.workbench), *inspector_tools(talk.workbench)]
    return [*looking, *desk_tools(desk), mine_rules, train_and_score, show_scores]


def _for_the_brain(
    before: Sequence[list[BaseMessage]], last: list[BaseMessage], desk: Desk, talk: Conversation, room: float
) -> list[BaseMessage]:
    """Instructions, what is known, the last turn, as many before it as there is room for, and its last pictures."""
    series = talk.workbench.series
    task = {
        "task": "converse",
        "channels": list(series.channels),
        "period": desk.context.period,
        "step_seconds": sampling_step(series),
        "rules": list(desk.rules),
        "dropped": list(desk.dropped),
        "changes": len(desk.versions),
    }
    begin: list[BaseMessage] = [
        SystemMessage(SYSTEM["guide"]),
        HumanMessage(f"What is known:\n```json\n{json.dumps(task, indent=1)}\n```"),
    ]
    kept = last
    room -= _length(last)
    for turn in reversed(before):
        room -= _length(turn)
        if room < 0:
            break
        kept = [*turn, *kept]
    if talk.brain.server is not None and (drawn := _pictures(kept)):
        kept.append(picture_message(drawn[-MAX_PICTURES:], len(drawn[-MAX_PICTURES:]), talk.workbench.artefacts))
    return [*begin, *kept]


def _length(messages: Sequence[BaseMessage]) -> int:
    return sum(len(str(each.content)) + len(json.dumps(getattr(each, "tool_calls", []))) for each in messages)


def _shortened(turn: Sequence[BaseMessage], room: float) -> list[BaseMessage]:
    """A turn, without the results of its first calls as far as it is too long."""
    kept = list(turn)
    for place, message in enumerate(turn):
        if _length(kept) <= room:
            break
        if isinstance(message, ToolMessage):
            kept[place] = message.model_copy(update={"content": LEFT_OUT})
    return kept


def _made(state: Talk) -> dict[str, str]:
    """Calls that were made since the person spoke last, with the evidence that came of them."""
    results = [message for message in _turns(state["messages"])[-1] if isinstance(message, ToolMessage)]
    bodies = [(str(message.name), json.loads(str(message.content))) for message in results]
    return {call_key(name, body["arguments"]): body["evidence"] for name, body in reversed(bodies)}


def _turns(messages: Sequence[BaseMessage]) -> list[list[BaseMessage]]:
    """The conversation from one thing that a person said to the next."""
    turns: list[list[BaseMessage]] = []
    for message in messages:
        if isinstance(message, HumanMessage) or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _pictures(messages: Sequence[BaseMessage]) -> list[str]:
    """Pictures that tools have drawn since the person spoke last."""
    since = _turns(messages)[-1]
    results = (json.loads(str(m.content))["result"] for m in since if isinstance(m, ToolMessage))
    return [result["artefact"] for result in results if str(result.get("artefact", "")).endswith(".png")]


def _rounds(state: Talk) -> int:
    """How often tools acted since the person spoke last."""
    return sum(bool(getattr(message, "tool_calls", None)) for message in _turns(state["messages"])[-1])
