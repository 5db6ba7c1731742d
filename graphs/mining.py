"""The mining graph: plan, profile and inspect, propose, the loop of `ape.graphs.review`, commit, hand over.

Nodes are async, idempotent and return only what they change. They stand here in the order in which they run; the wiring
is at the end.
"""

from __future__ import annotations

import asyncio

from langgraph.graph import END, START, StateGraph

from ape.agents.records import Inspection, Plan, Profile, Proposal
from ape.graphs.asking import Run, ask, compiled, cost_of, known, note, with_event
from ape.graphs.review import after_criticism, criticise, discriminate, generate, revise, spot
from ape.graphs.state import Mining, MiningState
from ape.rules import RuleBank
from ape.tools import inspector_tools, planner_tools, profiler_tools, proposer_tools


async def plan(state: MiningState, runtime: Run) -> MiningState:
    """1. The planner reads what is measured and what people wrote."""
    mining = runtime.context
    outcome = await ask(runtime, "planner", {"task": "plan"}, planner_tools(mining.workbench, mining.log), Plan)
    answer: Plan = outcome.answer
    known = [name for name in answer.channels if name in mining.series.channels]
    answer = answer.model_copy(update={"channels": known or list(mining.series.channels[:1])})
    note(runtime, "planner", "plan", answer.rationale, evidence=outcome.evidence)
    return {"plan": answer, "iteration": 0, "accepted": [], "rejected": [], **cost_of(outcome)}


async def profile(state: MiningState, runtime: Run) -> MiningState:
    """2a. The profiler measures the planned channels."""
    task = {"task": "profile", "channels": state["plan"].channels}
    outcome = await ask(runtime, "profiler", task, profiler_tools(runtime.context.workbench), Profile)
    note(runtime, "profiler", "profile", outcome.answer.rationale, evidence=outcome.evidence)
    return {"profile": outcome.answer, **cost_of(outcome)}


async def inspect(state: MiningState, runtime: Run) -> MiningState:
    """2b. The visual inspector looks at pictures of them."""
    workbench, pictures = runtime.context.workbench, runtime.context.pictures
    if "pictures" in runtime.context.without:
        return {"inspection": Inspection(rationale="pictures are left out", sees_pictures=False)}
    task = {"task": "inspect", "channels": state["plan"].channels, "users_pictures": len(pictures)}
    outcome = await ask(runtime, "visual inspector", task, inspector_tools(workbench, pictures), Inspection)
    note(runtime, "visual inspector", "inspect", outcome.answer.rationale, evidence=outcome.evidence)
    return {"inspection": outcome.answer, **cost_of(outcome)}


async def propose(state: MiningState, runtime: Run) -> MiningState:
    """3. The planner writes rules."""
    mining = runtime.context
    task = {"task": "propose", **known(state, mining)}
    tools = proposer_tools(mining.workbench, mining.context(state["profile"]), mining.seed)
    outcome = await ask(runtime, "planner", task, tools, Proposal)
    drafts = compiled(outcome.answer.rules, set(mining.series.channels))
    pending = [with_event(rule, "planner", 0, "proposed", rule.note, {}) for rule in drafts]
    for rule in pending:
        evidence = tuple(item.id for item in rule.evidence)
        note(runtime, "planner", "proposed", rule.note, rule=rule.id, evidence=evidence)
    note(runtime, "planner", "propose", outcome.answer.rationale, evidence=outcome.evidence)
    return {"pending": pending, **cost_of(outcome)}


async def commit(state: MiningState, runtime: Run) -> MiningState:
    """8. What was accepted becomes the Rule Bank."""
    bank = bank_of(state, runtime.context)
    runtime.context.keep_bank(bank)
    note(runtime, "planner", "commit", bank.ended, iteration=state["iteration"])
    runtime.context.listen("planner", f"commits {len(bank.rules)} rules; {bank.ended}")
    if runtime.context.brain.server is not None:
        for role, cost in state["spent"].items():
            told = (
                "{calls:.0f} replies, {known:.0f} known ones, {tokens_in:.0f} tokens in, {tokens_out:.0f} out,"
                " {seconds:.0f} s"
            )
            note(runtime, role, "spent", told.format(**cost), figures=cost)
    return {"ended": bank.ended}


async def hand_over(state: MiningState, runtime: Run) -> MiningState:
    """9. The bank goes to post-training, on the GPU if there is one."""
    mining = runtime.context
    if mining.hand_over is not None:
        report = await asyncio.to_thread(mining.hand_over, bank_of(state, mining))
        decision = "enhanced" if report["accepted"] else "kept original"
        note(runtime, "post-training", decision, report["reason"])
    return {}


def bank_of(state: MiningState, mining: Mining) -> RuleBank:
    """The Rule Bank of a state, rounded as on disk."""
    rejected, pending = state["rejected"], state["pending"]
    ended = f"{len(state['accepted'])} accepted, {len(rejected)} rejected in {state['iteration'] + 1} iterations"
    if pending:
        ended += f"; {len(pending)} undecided when the budget of tool calls ran out"
    bank = RuleBank(
        scenario=state["plan"].scenario,
        rules=state["accepted"],
        context=mining.context(state["profile"]),
        fingerprint=mining.series.fingerprint,
        seed=mining.seed,
        ended=ended,
    )
    return RuleBank.model_validate_json(bank.to_json())


def build_graph() -> StateGraph[MiningState, Mining, MiningState, MiningState]:
    """Wire the nodes."""
    graph: StateGraph[MiningState, Mining, MiningState, MiningState] = StateGraph(MiningState, context_schema=Mining)
    for node in (plan, profile, inspect, propose, generate, spot, discriminate, criticise, revise, commit, hand_over):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "profile")  # side by side
    graph.add_edge("plan", "inspect")
    graph.add_edge(["profile", "inspect"], "propose")  # waits for both
    graph.add_edge("propose", "generate")
    graph.add_edge("generate", "spot")  # side by side
    graph.add_edge("generate", "discriminate")
    graph.add_edge(["spot", "discriminate"], "criticise")
    graph.add_conditional_edges("criticise", after_criticism)
    graph.add_edge("revise", "generate")  # the loop
    graph.add_edge("commit", "hand_over")
    graph.add_edge("hand_over", END)
    return graph
