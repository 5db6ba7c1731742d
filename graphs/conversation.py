"""The conversation graph: the guide thinks, tools act, and a person is asked before anything long or final.

The desk of rules is part of the state, so that every turn can be resumed or branched with the rules of that turn.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import Field

from ape.agents.brain import Brain
from ape.agents.guide.layout import clock_text
from ape.agents.replies import request_reply
from ape.agents.tool_calls import call_key, call_tool, refusal, result_message, store_evidence
from ape.graphs.conversation_prompt import build_prompt, last_turn, length, message_budget, split_turns
from ape.graphs.desk import Desk
from ape.graphs.desk_tools import Asked, desk_tools
from ape.graphs.state import RecordDecision
from ape.rules import Rule, RuleBank, RuleDraft
from ape.rules.schema import CONVERSATION, Evidence, SentenceUse
from ape.tools import inspector_tools, profiler_tools
from ape.tools.boundary import agent_tool
from ape.tools.scenario import scenario_tools
from ape.tools.workbench import Workbench

Rank = Annotated[int, Field(ge=1, description="rank of the event, 1 is the worst")]
Question = Callable[[dict[str, Any]], str]  # what the person must answer before a call with these arguments
# Tools that take long or are final, with the question.
CONFIRMED: dict[str, Question] = {
    "mine_rules": lambda arguments: "Mine the series for rules? This takes some seconds to a minute.",
    "train_and_score": lambda arguments: (
        "Train a detector, post-train it with the rules on the desk, and score the series? This takes half a minute to"
        " some minutes."
    ),
}
# tools that change the desk
RECORDED = (
    "add_rule", "add_benign_rule", "add_benign_event", "change_rule", "drop_rule", "restore_rule", "undo", "mine_rules",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_ROUNDS = 8  # of tool calls for one message of the person


class ConversationState(TypedDict, total=False):
    """State of the conversation graph: the messages, and the fields of the desk."""

    messages: Annotated[list[AnyMessage], add_messages]
    rules: list[Rule]
    dropped: list[Rule]
    figures: dict[str, dict[str, float]]
    versions: list[list[Rule]]
    benign: list[str]
    sentences: list[SentenceUse]
    period: int | None


@dataclass(frozen=True)
class Scored:
    """What can be asked about the whole series once it is scored. Mining and measuring see the training part alone.

    Parameters
    ----------
    facts : dict
        What the guide knows of it at once: the number of points, and the first and the last time.
    tools : sequence of BaseTool
    questions : dict of callable
        Of the tools that are final, see `CONFIRMED`.
    events : callable
        Returns the worst events as plain data, with the artefact id of a picture.
    benign_draft : callable
        Returns the draft of a benign rule for an event, given its rank or a time in it; raises a `ValueError` without.
    """

    facts: dict[str, Any]
    tools: Sequence[BaseTool]
    questions: Mapping[str, Question]
    events: Callable[[], dict[str, Any]]
    benign_draft: Callable[[int | None, str | None], RuleDraft]


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
    scored : callable
        Returns what can be asked about the scored series; None before it is scored.
    listen : callable
        Called with a note before a server is asked again.
    """

    workbench: Workbench
    brain: Brain
    record: RecordDecision
    seed: int
    mine: Callable[[], RuleBank]
    train: Callable[[RuleBank], dict[str, Any]]
    scored: Callable[[], Scored | None]
    listen: Callable[[str], None] = lambda note: None


async def think(state: ConversationState, runtime: Runtime[ConversationContext]) -> ConversationState:
    """Let the guide answer the person, or call tools."""
    context, messages = runtime.context, state["messages"]
    desk, scored = desk_of(state, context.workbench, context.seed), context.scored()
    tools = conversation_tools(desk, context, scored)
    budget = message_budget(context.brain, tools)
    rounds = _rounds(messages)
    if _only_repeat(rounds):
        return {
            "messages": [AIMessage("I stop here: the model asks for the same again and again. Say it in other words.")]
        }
    if len(rounds) >= MAX_ROUNDS or (rounds and length(last_turn(messages, budget)) > budget):
        return {"messages": [AIMessage("I stop here, after many attempts. Ask again in other words, or for less.")]}
    prompt = build_prompt(messages, desk, context.brain, budget, scored.facts if scored else None)
    reply, _ = await request_reply(context.brain, prompt, tools, stream=True, listen=context.listen)
    if not reply.content and not reply.tool_calls:
        reply = AIMessage("The model sent an empty reply. Say it again, or in other words.")
    return {"messages": [reply]}


async def act(state: ConversationState, runtime: Runtime[ConversationContext]) -> ConversationState:
    """Call the tools; first ask the person if a call takes long or is final."""
    context = runtime.context
    calls: list[ToolCall] = state["messages"][-1].tool_calls  # type: ignore[union-attr]
    scored = context.scored()
    desk = desk_of(state, context.workbench, context.seed)
    questions: dict[str, Question] = {
        **CONFIRMED,
        "add_benign_rule": partial(benign_question, desk),
        **(scored.questions if scored else {}),
    }
    asked = next((call for call in calls if call["name"] in questions), None)
    unasked = _ask(asked, questions) if asked is not None else {}
    tools = {tool.name: tool for tool in conversation_tools(desk, context, scored)}
    messages: list[AnyMessage] = []
    evidence_by_call = _earlier_calls(state)
    for call in calls:
        key = call_key(call["name"], call["args"])
        if reason := refusal(len(evidence_by_call), math.inf, evidence_by_call.get(key)):
            result: dict[str, Any] = {"error": reason}
        elif call["name"] in questions and call is not asked:
            result = {"error": "one such step at a time: call it again afterwards"}
        elif call is asked and unasked:
            result = unasked
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
        "benign": desk.benign,
        "sentences": desk.sentences,
        "period": desk.period,
    }


def _ask(call: ToolCall, questions: Mapping[str, Question]) -> dict[str, Any]:
    """Ask the person before a call; return its result if it must not be made, else nothing."""
    try:
        question = questions[call["name"]](call["args"])
    except (ValueError, TypeError, KeyError) as error:  # arguments that the tool would refuse, too
        return {"error": str(error)[:400]}
    return {} if interrupt({"tool": call["name"], "question": question}) else {"declined": call["name"]}


def _rounds(messages: Sequence[AnyMessage]) -> list[set[str]]:
    """Return the calls of each reply with calls since the person's last message."""
    replies = (getattr(message, "tool_calls", None) for message in split_turns(messages)[-1])
    return [{call_key(call["name"], call["args"]) for call in calls} for calls in replies if calls]


def _only_repeat(rounds: Sequence[set[str]]) -> bool:
    """Whether the last two replies only repeat calls that were made before them."""
    known: set[str] = set().union(*rounds[:-2])
    return len(rounds) > 2 and all(calls <= known for calls in rounds[-2:])


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
        "person", call["name"], str(call["args"].get("asked", call["name"])), rule=rule,
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
        list(state.get("benign", [])),
        list(state.get("sentences", [])),
    )


def conversation_tools(desk: Desk, context: ConversationContext, scored: Scored | None) -> list[BaseTool]:
    """Return the guide's tools: measurements, pictures, the desk, mining, training, and those on the scored series."""

    @agent_tool
    def mine_rules() -> dict[str, Any]:
        """Let the agents mine the series, and put the rules that they accept on the desk. Takes long."""
        bank = context.mine()
        desk.put_bank(bank)
        rules = [desk.describe(rule) for rule in (*bank.rules, *bank.benign)]
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
        after = context.scored()
        return {**outcome, **(after.events() if after else {})}

    @agent_tool
    def add_benign_event(asked: Asked, rank: Rank | None = None, at: str | None = None) -> dict[str, Any]:
        """Add a benign rule for what looks like an event, by its rank or a time in it: the person calls it normal."""
        if scored is None:
            msg = "nothing was scored yet, so there are no events"
            raise ValueError(msg)
        words = Evidence(kind="text", id=CONVERSATION, quote=asked[:300])
        return desk.put_benign(scored.benign_draft(rank, at).model_copy(update={"evidence": [words]}), asked)

    measurements = [
        *scenario_tools(context.workbench),
        *profiler_tools(context.workbench),
        *inspector_tools(context.workbench),
    ]
    own = [mine_rules, train_and_score, *([add_benign_event, *scored.tools] if scored else [])]
    return [*measurements, *desk_tools(desk), *own]


def benign_question(desk: Desk, arguments: dict[str, Any]) -> str:
    """Return the question before a benign rule is added; it names the benign rules for the same time."""
    draft = RuleDraft.model_validate(arguments["draft"])
    what = f"{what_is_normal(draft, desk)}? What looks like it there and then will not be reported."
    if known := desk.normal_then(draft):
        quotes = [f'{rule.id}, from "{item.quote}"' for rule in known for item in rule.evidence[:1] if item.quote]
        listed = "; ".join(quotes) or ", ".join(rule.id for rule in known)
        return f"Something is taken as normal then already ({listed}). Take this as normal, too: {what}"
    return f"Take this as normal from the next training on: {what}"


def what_is_normal(draft: RuleDraft, desk: Desk) -> str:
    """Return what a benign rule is about."""
    prior = draft.context
    named = [*prior.channels, *(f"group {name}" for name in prior.groups)]
    where = f" in {', '.join(named)}" if named else ""
    hours = f", beginning from {clock_text(prior.hours.low)} to {clock_text(prior.hours.high)}" if prior.hours else ""
    days = f", on {', '.join(WEEKDAYS[day] for day in prior.weekdays)}" if prior.weekdays else ""
    kind = f"{draft.mechanism}, {draft.morphology}".replace("_", " ")
    return f"{kind}{where}, length {desk.length_text(draft.duration)}{hours}{days}"
