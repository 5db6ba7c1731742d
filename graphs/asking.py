"""What the mining graph's nodes share: asking an agent, noting a decision, what is known so far, rules of drafts."""

from __future__ import annotations

from dataclasses import asdict
from functools import reduce
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableLambda
from langgraph.runtime import Runtime

from ape.agents.consult import Consultation, consult
from ape.graphs.state import Mining, MiningState, added
from ape.rules import Rule, RuleDraft
from ape.rules.schema import Event
from ape.runs.tracing import AGENT, DECISION

Run = Runtime[Mining]


async def ask(runtime: Run, role: str, task: dict[str, Any], tools: list[Any], schema: type) -> Consultation:
    """Consult the agent of this role."""
    mining = runtime.context
    mining.listen(role, f"begins to {task['task']}")

    async def consulted(task: dict[str, Any]) -> Consultation:
        return await consult(mining.brain, role, task, tools, schema, mining.workbench.artefacts, mining.listen)

    return await RunnableLambda(consulted).ainvoke(task, {"run_name": role, "metadata": {AGENT: role}})


def note(runtime: Run, agent: str, decision: str, rationale: str, **rest: Any) -> None:
    """Write a decision to the ledger."""
    checkpoint = runtime.execution_info.checkpoint_id if runtime.execution_info else None
    runtime.context.ledger.write(agent, decision, rationale, checkpoint=checkpoint, **rest)
    dispatch_custom_event(DECISION, {"agent": agent, "decision": decision, "rationale": rationale, **rest})


def cost_of(*outcomes: Consultation) -> MiningState:
    """What consultations cost, as a change of state."""
    spent: dict[str, dict[str, float]] = reduce(added, ({o.role: asdict(o.spent)} for o in outcomes), {})
    return {"tool_calls": sum(outcome.calls for outcome in outcomes), "spent": spent}


def known(state: MiningState, mining: Mining) -> dict[str, Any]:
    """What the planner is told when it writes rules."""
    return {
        "channels": list(mining.series.channels),
        "training_points": len(mining.series.train),
        "plan": state["plan"].model_dump(),
        "profile": state["profile"].model_dump(),
        "inspection": state["inspection"].model_dump(),
    }


def compiled(drafts: list[RuleDraft], channels: set[str]) -> list[Rule]:
    """Rules of drafts, the first of each id; channels that the series lacks, and relations of one, are dropped."""
    rules: dict[str, Rule] = {}
    for draft in drafts:
        rule = draft.to_rule()
        if rule.relational and len(channels) == 1:
            continue
        known = [name for name in rule.context.channels if name in channels]
        rules.setdefault(
            rule.id, rule.model_copy(update={"context": rule.context.model_copy(update={"channels": known})})
        )
    return list(rules.values())


def with_event(rule: Rule, agent: str, iteration: int, verdict: Any, reason: str, figures: dict[str, float]) -> Rule:
    """The rule, with an entry more in its history."""
    event = Event(agent=agent, iteration=iteration, verdict=verdict, reason=reason[:600], figures=figures)
    return rule.model_copy(update={"history": [*rule.history, event]})
