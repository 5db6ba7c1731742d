"""The mining graph: plan, profile and inspect, propose, generate, check, criticise, revise, commit, hand over.

Nodes are async, idempotent and return only what they change. They stand here in the order in which they run; the wiring
is at the end.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from ape.agents.consult import Consultation, consult
from ape.agents.records import Critique, Inspection, Plan, Profile, Proposal
from ape.graphs.state import MAX_ITERATIONS, MAX_TOOL_CALLS, Mining, MiningState
from ape.rules import Rule, RuleBank, RuleDraft
from ape.rules.schema import Event
from ape.tools import critic_tools, inspector_tools, planner_tools, profiler_tools, proposer_tools
from ape.tools.discriminability import THRESHOLDS, discriminability, failures
from ape.tools.preview import draw_examples, sample_examples

Run = Runtime[Mining]


async def plan(state: MiningState, runtime: Run) -> MiningState:
    """1. The planner reads what is measured and what people wrote."""
    outcome = await _ask(runtime, "planner", {"task": "plan"}, planner_tools(runtime.context.workbench), Plan)
    answer: Plan = outcome.answer
    known = [name for name in answer.channels if name in runtime.context.series.channels]
    answer = answer.model_copy(update={"channels": known or list(runtime.context.series.channels[:1])})
    _note(runtime, "planner", "plan", answer.rationale, evidence=outcome.evidence)
    return {"plan": answer, "iteration": 0, "accepted": [], "rejected": [], **_cost(outcome)}


async def profile(state: MiningState, runtime: Run) -> MiningState:
    """2a. The profiler measures the planned channels."""
    task = {"task": "profile", "channels": state["plan"].channels}
    outcome = await _ask(runtime, "profiler", task, profiler_tools(runtime.context.workbench), Profile)
    _note(runtime, "profiler", "profile", outcome.answer.rationale, evidence=outcome.evidence)
    return {"profile": outcome.answer, **_cost(outcome)}


async def inspect(state: MiningState, runtime: Run) -> MiningState:
    """2b. The visual inspector looks at pictures of them."""
    workbench, pictures = runtime.context.workbench, runtime.context.pictures
    task = {"task": "inspect", "channels": state["plan"].channels, "users_pictures": len(pictures)}
    outcome = await _ask(runtime, "visual inspector", task, inspector_tools(workbench, pictures), Inspection)
    _note(runtime, "visual inspector", "inspect", outcome.answer.rationale, evidence=outcome.evidence)
    return {"inspection": outcome.answer, **_cost(outcome)}


async def propose(state: MiningState, runtime: Run) -> MiningState:
    """3. The planner writes rules."""
    mining = runtime.context
    task = {
        "task": "propose",
        "channels": list(mining.series.channels),
        "plan": state["plan"].model_dump(),
        "profile": state["profile"].model_dump(),
        "inspection": state["inspection"].model_dump(),
    }
    tools = proposer_tools(mining.workbench, mining.context(state["profile"]), mining.seed)
    outcome = await _ask(runtime, "planner", task, tools, Proposal)
    drafts = _compiled(outcome.answer.rules, set(mining.series.channels))
    pending = [_with_event(rule, "planner", 0, "proposed", rule.note, {}) for rule in drafts]
    for rule in pending:
        evidence = tuple(item.id for item in rule.evidence)
        _note(runtime, "planner", "proposed", rule.note, rule=rule.id, evidence=evidence)
    _note(runtime, "planner", "propose", outcome.answer.rationale, evidence=outcome.evidence)
    return {"pending": pending, **_cost(outcome)}


async def generate(state: MiningState, runtime: Run) -> MiningState:
    """4. Every pending rule generates examples; their picture goes to the artefact store."""
    mining = runtime.context
    context, hosts = mining.context(state["profile"]), mining.hosts(state["profile"])

    def draw(rule: Rule) -> str:
        return mining.workbench.artefacts.put_bytes(draw_examples(*sample_examples(rule, context, hosts)), ".png")

    mining.listen("generator", f"iteration {state['iteration']}: {len(state['pending'])} rules")
    examples = {rule.id: await asyncio.to_thread(draw, rule) for rule in state["pending"]}
    return {"examples": {**state.get("examples", {}), **examples}}


async def discriminate(state: MiningState, runtime: Run) -> MiningState:
    """5. The discriminability check measures them on held-out hosts."""
    mining = runtime.context
    context, hosts = mining.context(state["profile"]), mining.hosts(state["profile"])
    figures = await asyncio.to_thread(
        discriminability, state["pending"], state["accepted"], context, hosts, mining.seed
    )
    for rule in state["pending"]:
        failed = failures(figures[rule.id])
        verdict = f"fails {', '.join(failed)}" if failed else "passes"
        mining.listen("discriminability", f"{rule.id} {verdict}")
        _note(
            runtime, "discriminability", "measured", verdict, rule=rule.id, iteration=state["iteration"],
            evidence=(state["examples"][rule.id],), figures=figures[rule.id],
        )  # fmt: skip
    return {"figures": {**state.get("figures", {}), **figures}}


async def criticise(state: MiningState, runtime: Run) -> MiningState:
    """6. The rule critic accepts, sends back or rejects each rule; no rule is accepted against its figures."""
    mining = runtime.context
    left = MAX_ITERATIONS - 1 - state["iteration"]
    figures = state["figures"]
    task = {
        "task": "criticise",
        "revisions_left": left,
        "thresholds": {name: vars(threshold) for name, threshold in THRESHOLDS.items()},
        "accepted": [rule.id for rule in state["accepted"]],
        "rules": [
            {"rule": rule.model_dump(exclude={"history"}), "figures": figures[rule.id]} for rule in state["pending"]
        ],
    }
    tools = critic_tools({rule.id: state["examples"][rule.id] for rule in state["pending"]})
    outcome = await _ask(runtime, "rule critic", task, tools, Critique)
    verdicts = {verdict.rule_id: verdict for verdict in outcome.answer.verdicts}
    pending: list[Rule] = []
    accepted, rejected = list(state["accepted"]), list(state["rejected"])
    for rule in state["pending"]:
        given = verdicts.get(rule.id)
        word, reason = (given.verdict, given.rationale) if given else ("revise", "the critic gave no verdict")
        failed = failures(figures[rule.id])
        if word == "accept" and failed:
            word, reason = "revise", f"not accepted against its figures: fails {', '.join(failed)}"
        if word == "revise" and left <= 0:
            word, reason = "reject", f"revisions are used up: {reason}"
        marked = _with_event(rule, "rule critic", state["iteration"], word, reason, figures[rule.id])
        {"accept": accepted, "reject": rejected, "revise": pending}[word].append(marked)
        mining.listen("rule critic", f"{word} {rule.id}: {reason}")
        _note(
            runtime, "rule critic", word, reason, rule=rule.id, iteration=state["iteration"],
            evidence=(*outcome.evidence, state["examples"][rule.id]), figures=figures[rule.id],
        )  # fmt: skip
    return {
        "critique": outcome.answer,
        "pending": pending,
        "accepted": accepted,
        "rejected": rejected,
        **_cost(outcome),
    }


async def revise(state: MiningState, runtime: Run) -> MiningState:
    """7. The planner changes what the critic sent back."""
    verdicts = {verdict.rule_id: verdict for verdict in state["critique"].verdicts}
    asked = [
        {
            "rule": rule.model_dump(exclude={"history"}),
            "figures": state["figures"][rule.id],
            "changes": [change.model_dump() for change in verdicts[rule.id].changes] if rule.id in verdicts else [],
        }
        for rule in state["pending"]
    ]
    task = {"task": "revise", "profile": state["profile"].model_dump(), "rules": asked}
    outcome = await _ask(runtime, "planner", task, [], Proposal)
    revised = {rule.id: rule for rule in _compiled(outcome.answer.rules, set(runtime.context.series.channels))}
    iteration = state["iteration"] + 1
    pending = []
    for rule in state["pending"]:
        new = revised.get(rule.id, rule)
        why = new.note if rule.id in revised else "left as it was"
        marked = _with_event(
            new.model_copy(update={"history": rule.history}), "planner", iteration, "proposed", why, {}
        )
        pending.append(marked)
        runtime.context.listen("planner", f"revises {rule.id}: {why}")
        _note(runtime, "planner", "revised", why, rule=rule.id, iteration=iteration)
    return {"pending": pending, "iteration": iteration, **_cost(outcome)}


async def commit(state: MiningState, runtime: Run) -> MiningState:
    """8. What was accepted becomes the Rule Bank."""
    bank = bank_of(state, runtime.context)
    runtime.context.keep_bank(bank)
    _note(runtime, "planner", "commit", bank.ended, iteration=state["iteration"])
    runtime.context.listen("planner", f"commits {len(bank.rules)} rules; {bank.ended}")
    if runtime.context.brain.server is not None:
        for role, cost in state["spent"].items():
            told = (
                "{calls:.0f} replies, {known:.0f} known ones, {tokens_in:.0f} tokens in, {tokens_out:.0f} out,"
                " {seconds:.0f} s"
            )
            _note(runtime, role, "spent", told.format(**cost), figures=cost)
    return {"ended": bank.ended}


async def hand_over(state: MiningState, runtime: Run) -> MiningState:
    """9. The bank goes to post-training, on the GPU if there is one."""
    mining = runtime.context
    if mining.hand_over is not None:
        report = await asyncio.to_thread(mining.hand_over, bank_of(state, mining))
        decision = "enhanced" if report["accepted"] else "kept original"
        _note(runtime, "post-training", decision, report["reason"])
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


def after_criticism(state: MiningState) -> Literal["revise", "commit"]:
    """Go round again while rules are pending and the budget lasts."""
    return "revise" if state["pending"] and state["tool_calls"] < MAX_TOOL_CALLS else "commit"


def _cost(outcome: Consultation) -> MiningState:
    return {"tool_calls": outcome.calls, "spent": {outcome.role: asdict(outcome.spent)}}


async def _ask(runtime: Run, role: str, task: dict[str, Any], tools: list[Any], schema: type) -> Consultation:
    mining = runtime.context
    mining.listen(role, f"begins to {task['task']}")
    return await consult(mining.brain, role, task, tools, schema, mining.workbench.artefacts, mining.listen)


def _note(runtime: Run, agent: str, decision: str, rationale: str, **rest: Any) -> None:
    checkpoint = runtime.execution_info.checkpoint_id if runtime.execution_info else None
    runtime.context.ledger.write(agent, decision, rationale, checkpoint=checkpoint, **rest)


def _compiled(drafts: list[RuleDraft], channels: set[str]) -> list[Rule]:
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


def _with_event(rule: Rule, agent: str, iteration: int, verdict: Any, reason: str, figures: dict[str, float]) -> Rule:
    event = Event(agent=agent, iteration=iteration, verdict=verdict, reason=reason[:600], figures=figures)
    return rule.model_copy(update={"history": [*rule.history, event]})


def build_graph() -> StateGraph[MiningState, Mining, MiningState, MiningState]:
    """Wire the nodes."""
    graph: StateGraph[MiningState, Mining, MiningState, MiningState] = StateGraph(MiningState, context_schema=Mining)
    for node in (plan, profile, inspect, propose, generate, discriminate, criticise, revise, commit, hand_over):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "profile")  # side by side
    graph.add_edge("plan", "inspect")
    graph.add_edge(["profile", "inspect"], "propose")  # waits for both
    graph.add_edge("propose", "generate")
    graph.add_edge("generate", "discriminate")
    graph.add_edge("discriminate", "criticise")
    graph.add_conditional_edges("criticise", after_criticism)
    graph.add_edge("revise", "generate")  # the loop
    graph.add_edge("commit", "hand_over")
    graph.add_edge("hand_over", END)
    return graph
