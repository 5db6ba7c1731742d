"""What the nodes of the mining graph share: consulting an agent, recording a decision, turning drafts into rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableLambda
from langgraph.runtime import Runtime

from ape.agents.consult import Consultation, consult_or_replace
from ape.graphs.state import AGENT, DECISION, MiningContext, MiningState, add_costs
from ape.rules import Rule, RuleDraft
from ape.rules.schema import HistoryEntry
from ape.series.matrix_profile import load_stumpy

MAX_REASON = 600  # characters
MOST_FAILURES = 3  # consultations without a valid answer, from which a model that gave none is not asked again


async def ask(
    state: MiningState,
    runtime: Runtime[MiningContext],
    agent: str,
    task: dict[str, Any],
    tools: list[Any],
    schema: type,
) -> Consultation:
    """Consult an agent; record what was wrong with its answer."""
    load_stumpy()  # agents consulted at the same time call tools in threads
    context = runtime.context
    context.listen(agent, f"starts to {task['task']}")

    async def consulted(task: dict[str, Any]) -> Consultation:
        artefacts, unfit = context.workbench.artefacts, _is_unfit(state)
        return await consult_or_replace(context.brain, agent, task, tools, schema, artefacts, context.listen, unfit)

    consultation: Consultation = await RunnableLambda(consulted).ainvoke(
        task, {"run_name": agent, "metadata": {AGENT: agent}}
    )
    for note in consultation.notes:
        record(runtime, agent, "bad answer", f"{task['task']}: {note}"[:MAX_REASON])
    return consultation


def _is_unfit(state: MiningState) -> bool:
    """Whether the model answered no task so far, and was asked often enough."""
    spent = state.get("spent", {}).values()
    failed, answered = (sum(cost.get(name, 0) for cost in spent) for name in ("replaced", "answered"))
    return failed >= MOST_FAILURES and not answered


def record(runtime: Runtime[Any], agent: str, decision: str, rationale: str, **details: Any) -> None:
    """Record a decision in the ledger and in the trace."""
    checkpoint = runtime.execution_info.checkpoint_id if runtime.execution_info else None
    runtime.context.record(agent, decision, rationale, checkpoint=checkpoint, **details)
    dispatch_custom_event(DECISION, {"agent": agent, "decision": decision, "rationale": rationale, **details})


def costs(*consultations: Consultation) -> MiningState:
    """Return what consultations cost, as a change of state."""
    spent: dict[str, dict[str, float]] = reduce(add_costs, ({c.agent: asdict(c.usage)} for c in consultations), {})
    return {"tool_calls": sum(len(consultation.evidence) for consultation in consultations), "spent": spent}


def findings(state: MiningState, context: MiningContext) -> dict[str, Any]:
    """Return what the planner knows when it writes rules."""
    return {
        "channels": list(context.series.channels),
        "training_points": len(context.series.train),
        "plan": state["plan"].model_dump(exclude={"remarks"}),  # words that no rule comes from
        "profile": state["profile"].model_dump(),
        "inspection": state["inspection"].model_dump(),
    }


def rules_of(drafts: list[RuleDraft], context: MiningContext) -> list[Rule]:
    """Turn drafts into rules.

    The first draft of each id counts. Channels and groups that the series lacks are dropped, and so are rules that
    relate channels if the series has only one.
    """
    channels, groups = set(context.series.channels), group_names(context)
    rules: dict[str, Rule] = {}
    for draft in drafts:
        rule = draft.to_rule()
        if rule.relational and len(channels) == 1:
            continue
        known = [name for name in rule.context.channels if name in channels]
        named = [name for name in rule.context.groups if name in groups]
        prior = rule.context.model_copy(update={"channels": known, "groups": named})
        rules.setdefault(rule.id, rule.model_copy(update={"context": prior}))
    return list(rules.values())


def group_names(context: MiningContext) -> set[str]:
    """Return the names of the groups of several channels."""
    return {group.name for group in context.workbench.groups if len(group.columns) > 1}


def represented(context: MiningContext, channels: Sequence[str]) -> dict[str, Any]:
    """Return the groups of a wide series that channels represent, as a part of a task; empty if there are none."""
    names = context.series.channels
    found = {
        names[group.columns[0]]: (group.name, len(group.columns))
        for group in context.workbench.groups
        if len(group.columns) > 1 and names[group.columns[0]] in channels
    }
    return {"groups": found} if found else {}


def with_entry(rule: Rule, agent: str, iteration: int, verdict: Any, reason: str, figures: dict[str, float]) -> Rule:
    """Return the rule with one more entry in its history."""
    entry = HistoryEntry(agent=agent, iteration=iteration, verdict=verdict, reason=reason[:MAX_REASON], figures=figures)
    return rule.model_copy(update={"history": [*rule.history, entry]})
