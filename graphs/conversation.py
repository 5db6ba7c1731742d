"""The conversation graph: the guide thinks, tools act, and a person is asked before anything long or final.

The desk of rules is part of the state, so that every turn can be resumed or branched with the rules of that turn.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from ape.agents.brain import Brain
from ape.agents.replies import request_reply
from ape.agents.tool_calls import call_key, call_tool, refusal, result_message, store_evidence
from ape.graphs.conversation_prompt import build_prompt, last_turn, length, message_budget, split_turns
from ape.graphs.desk import Desk, desk_tools
from ape.graphs.state import RecordDecision
from ape.rules import Rule, RuleBank
from ape.tools import inspector_tools, profiler_tools
from ape.tools.boundary import agent_tool
from ape.tools.scenario import scenario_tools
from ape.tools.workbench import Workbench

# Tools that take long or are final, with the question that the person must answer first.
CONFIRMED = {
    "mine_rules": "Mine the series for rules? This takes some seconds to a minute.",
    "train_and_score": "Train a detector, post-train it with the rules on the desk, and score the series? This takes"
    " half a minute to some minutes.",
}
RECORDED = ("add_rule", "change_rule", "drop_rule", "restore_rule", "mine_rules")  # tools that change the desk
MAX_ROUNDS = 8  # of tool calls for one message of the person


class ConversationState(TypedDict, total=False):
    """State of the conversation graph: the messages, and the fields of the desk."""

    messages: Annotated[list[AnyMessage], add_messages]
    rules: list[Rule]
    dropped: list[Rule]
    figures: dict[str, dict[str, float]]
    versions: list[list[Rule]]
    period: int | None


@dataclass(frozen=True)
class ConversationContext:
    """What the nodes of the conversation graph work with.

    Parameters
    ----------
    workbench : Workbench
    brain : Brain
    record : callable
        Records one decision.
    seed : int
    mine : callable
        Mines the series and returns its Rule Bank.
    train : callable
        Trains, post-trains with a Rule Bank and scores; returns the post-training report.
    scores : callable
        Returns a PNG of the scores before and after post-training; raises a `ValueError` before the first training.
    events : callable
        Returns the events of the series as plain data, and a PNG of them; raises a `ValueError` likewise.
    """

    workbench: Workbench
    brain: Brain
    record: RecordDecision
    seed: int
    mine: Callable[[], RuleBank]
    train: Callable[[RuleBank], dict[str, Any]]
    scores: Callable[[], bytes]
    events: Callable[[], tuple[dict[str, Any], bytes]]


async def think(state: ConversationState, runtime: Runtime[ConversationContext]) -> ConversationState:
    """Let the guide answer the person, or call tools."""
    context, messages = runtime.context, state["messages"]
    desk = desk_of(state, context.workbench, context.seed)
    tools = conversation_tools(desk, context)
    budget = message_budget(context.brain, tools)
    rounds = sum(bool(getattr(message, "tool_calls", None)) for message in split_turns(messages)[-1])
    if rounds >= MAX_ROUNDS or (rounds and length(last_turn(messages, budget)) > budget):
        return {"messages": [AIMessage("I stop here, after many attempts. Ask again in other words, or for less.")]}
    prompt = build_prompt(messages, desk, context.brain, budget)
    reply, _ = await request_reply(context.brain, prompt, tools, stream=True)
    return {"messages": [reply]}


async def act(state: ConversationState, runtime: Runtime[ConversationContext]) -> ConversationState:
    """Call the tools; first ask the person if a call takes long or is final."""
    context = runtime.context
    calls: list[ToolCall] = state["messages"][-1].tool_calls  # type: ignore[union-attr]
    confirmed = [call["name"] for call in calls if call["name"] in CONFIRMED]
    agreed = not confirmed or bool(interrupt({"tool": confirmed[0], "question": CONFIRMED[confirmed[0]]}))
    desk = desk_of(state, context.workbench, context.seed)
    tools = {tool.name: tool for tool in conversation_tools(desk, context)}
    messages: list[AnyMessage] = []
    evidence_by_call = _earlier_calls(state)
    for call in calls:
        key = call_key(call["name"], call["args"])
        if reason := refusal(len(evidence_by_call), math.inf, evidence_by_call.get(key)):
            result: dict[str, Any] = {"error": reason}
        elif call["name"] in CONFIRMED and not agreed:
            result = {"declined": call["name"]}
        else:
            result = await asyncio.to_thread(call_tool, tools, call)
        evidence = store_evidence(call, result, context.workbench.artefacts)
        evidence_by_call.setdefault(key, evidence)
        messages.append(result_message(call, result, evidence))
        if call["name"] in RECORDED and not result.keys() & {"error", "declined"}:
            _record(call, result, evidence, desk, context)
    return {
        "messages": messages,
        "rules": list(desk.rules.values()),
        "dropped": list(desk.dropped.values()),
        "figures": desk.figures,
        "versions": desk.versions,
        "period": desk.period,
    }


def _earlier_calls(state: ConversationState) -> dict[str, str]:
    """Return the evidence ids of the tool calls since the person's last message, by call."""
    results = [message for message in split_turns(state["messages"])[-1] if isinstance(message, ToolMessage)]
    bodies = [(str(message.name), json.loads(str(message.content))) for message in results]
    return {call_key(name, body["arguments"]): body["evidence"] for name, body in reversed(bodies)}


def _record(call: ToolCall, result: dict[str, Any], evidence: str, desk: Desk, context: ConversationContext) -> None:
    """Record a change of the desk as a decision of the person."""
    changed = result.get("rule") or result.get("dropped")
    rule = changed if isinstance(changed, str) else None
    context.record(
        "person", call["name"], str(call["args"].get("asked", CONFIRMED.get(call["name"], ""))), rule=rule,
        iteration=len(desk.versions), evidence=(evidence,), figures=desk.figures.get(rule, {}) if rule else {},
    )  # fmt: skip


def after_thinking(state: ConversationState) -> Literal["act", "__end__"]:
    """Act if the guide called tools; otherwise wait for the person."""
    return "act" if getattr(state["messages"][-1], "tool_calls", None) else "__end__"


Node = Callable[..., Awaitable[ConversationState]]
ConversationGraph = StateGraph[ConversationState, Any, ConversationState, ConversationState]


def build_conversation(
    thinking: Node = think, acting: Node = act, context: type[Any] = ConversationContext
) -> ConversationGraph:
    """Connect the nodes; other nodes may work with another kind of context."""
    graph: ConversationGraph = StateGraph(ConversationState, context_schema=context)
    graph.add_node("think", thinking)
    graph.add_node("act", acting)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", after_thinking)
    graph.add_edge("act", "think")
    return graph


def desk_of(state: ConversationState, workbench: Workbench, seed: int) -> Desk:
    """Return the desk of a state."""
    return Desk(
        workbench,
        seed,
        state.get("period"),
        {rule.id: rule for rule in state.get("rules", [])},
        {rule.id: rule for rule in state.get("dropped", [])},
        dict(state.get("figures", {})),
        list(state.get("versions", [])),
    )


def conversation_tools(desk: Desk, context: ConversationContext) -> list[BaseTool]:
    """Return the guide's tools: measurements, pictures, the desk, mining, training, scores and events."""
    artefacts = context.workbench.artefacts

    def found_events() -> dict[str, Any]:
        events, picture = context.events()
        return {**events, "artefact": artefacts.put_bytes(picture, ".png")}

    @agent_tool
    def mine_rules() -> dict[str, Any]:
        """Let the agents mine the series, and put the rules that they accept on the desk. Takes long."""
        bank = context.mine()
        desk.put_bank(bank)
        rules = [desk.describe(rule) for rule in bank.rules]
        return {"rules": rules, "dropped": list(desk.dropped), "ended": bank.ended}

    @agent_tool
    def train_and_score() -> dict[str, Any]:
        """Train a detector, post-train it with the rules that pass, and find events. Takes long and is final."""
        bank = desk.bank()
        if not bank.rules:
            msg = "no rule on the desk passes its check"
            raise ValueError(msg)
        report = context.train(bank)
        outcome = {"accepted": report["accepted"], "reason": report["reason"], "rules": len(bank.rules)}
        return {**outcome, **found_events()}

    @agent_tool
    def show_scores() -> dict[str, Any]:
        """Draw the whole series with its scores before and after post-training."""
        return {"artefact": artefacts.put_bytes(context.scores(), ".png")}

    @agent_tool
    def show_events() -> dict[str, Any]:
        """List where the series is anomalous, since when, in which channels, like which rule, and the threshold."""
        return found_events()

    measurements = [
        *scenario_tools(context.workbench),
        *profiler_tools(context.workbench),
        *inspector_tools(context.workbench),
    ]
    return [*measurements, *desk_tools(desk), mine_rules, train_and_score, show_scores, show_events]
