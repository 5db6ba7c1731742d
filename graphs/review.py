"""The loop of the mining graph: generate, spot the difference, check, criticise, revise."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Literal

from langgraph.runtime import Runtime

from ape.agents.expert.failures import Failure
from ape.agents.records import Critique, Proposal, Spotting, Verdict
from ape.agents.tool_calls import MAX_PICTURES
from ape.graphs.accounting import failures_of, rules_from, with_quote, with_sighting
from ape.graphs.node_helpers import ask, costs, findings, record, rules_of, with_entry
from ape.graphs.state import MAX_ITERATIONS, MAX_REVISIONS, MAX_TOOL_CALLS, MiningContext, MiningState
from ape.rules import Rule
from ape.rules.check import THRESHOLDS, discriminability, failures
from ape.rules.vocabulary import MECHANISMS
from ape.tools import critic_tools, proposer_tools, spotter_tools
from ape.tools.preview import draw_examples, sample_examples
from ape.tools.spot_the_difference import draw_puzzle, hit_rate


async def generate(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """4. Every pending rule generates examples; their picture is stored as an artefact."""
    context = runtime.context
    rule_context, hosts = context.rule_context(state["profile"]), context.hosts(state["profile"])

    def draw(rule: Rule) -> str:
        picture = draw_examples(sample_examples(rule, rule_context, hosts), context.workbench.time)
        return context.workbench.artefacts.put_bytes(picture, ".png")

    context.listen("generator", f"iteration {state['iteration']}: {len(state['pending'])} rules")
    examples = {rule.id: await asyncio.to_thread(draw, rule) for rule in state["pending"]}
    return {"examples": {**state.get("examples", {}), **examples}}


async def spot(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """5a. The visual inspector of a served model looks for the generated windows among normal ones.

    With the embedded inspector this changed no verdict, so it is left out.
    """
    context = runtime.context
    if "pictures" in context.without or context.brain.server is None:
        return {}
    rule_context, hosts = context.rule_context(state["profile"]), context.hosts(state["profile"])
    puzzles, answers = {}, {}
    for rule in state["pending"]:
        drawn, answers[rule.id] = await asyncio.to_thread(draw_puzzle, rule, rule_context, hosts, context.seed)
        puzzles[rule.id] = context.workbench.artefacts.put_bytes(drawn, ".png")
    rules = list(puzzles)
    batches = [rules[first : first + MAX_PICTURES] for first in range(0, len(rules), MAX_PICTURES)]
    consultations = await asyncio.gather(
        *(
            ask(state, runtime, "visual inspector", {"task": "spot", "rules": batch}, spotter_tools(puzzles), Spotting)
            for batch in batches
        )
    )
    spotted: dict[str, float] = {}
    for batch, consultation in zip(batches, consultations, strict=True):
        for rule_id in batch if consultation.answer.sees_pictures else ():
            odd = [oddity for oddity in consultation.answer.odd if oddity.rule_id == rule_id]
            spotted[rule_id] = hit_rate({oddity.panel for oddity in odd}, set(answers[rule_id]))
            why = f"panels {answers[rule_id]} were made; " + ", ".join(f"{o.panel}: {o.rationale}" for o in odd)
            record(
                runtime, "visual inspector", "spotted", why[:600], rule=rule_id, iteration=state["iteration"],
                evidence=(puzzles[rule_id],), figures={"spotted": spotted[rule_id]},
            )  # fmt: skip
    return {"spotted": spotted, **costs(*consultations)}


async def discriminate(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """5b. The discriminability check measures the pending rules on held-out hosts."""
    context = runtime.context
    rule_context, hosts = context.rule_context(state["profile"]), context.hosts(state["profile"])
    figures = await asyncio.to_thread(
        discriminability, state["pending"], state["accepted"], rule_context, hosts, context.seed
    )
    for rule in state["pending"]:
        failed = failures(figures[rule.id])
        result = f"fails {', '.join(failed)}" if failed else "passes"
        context.listen("discriminability", f"{rule.id} {result}")
        record(
            runtime, "discriminability", "measured", result, rule=rule.id, iteration=state["iteration"],
            evidence=(state["examples"][rule.id],), figures=figures[rule.id],
        )  # fmt: skip
    return {"figures": {**state.get("figures", {}), **figures}}


async def criticise(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """6. The rule critic accepts, sends back or rejects each rule; no rule is accepted against its figures."""
    context = runtime.context
    revisions_left = MAX_ITERATIONS - 1 - state["iteration"]
    figures = {rule.id: _figures(rule.id, state) for rule in state["pending"]}
    task = {
        "task": "criticise",
        "revisions_left": revisions_left,
        "thresholds": {name: vars(threshold) for name, threshold in THRESHOLDS.items()},
        "named": list(dict.fromkeys(failure.mechanism for failure in failures_of(state["plan"]))),
        "accepted": [{"id": rule.id, "mechanism": rule.mechanism} for rule in state["accepted"]],
        "rules": [
            {
                "rule": rule.model_dump(exclude={"history"}),
                "figures": figures[rule.id],
                "revisions_left": min(revisions_left, _revisions_left(rule)),
            }
            for rule in state["pending"]
        ],
    }
    critique, cost, evidence = await _critique(task, state, runtime)
    verdicts = {verdict.rule_id: verdict for verdict in critique.verdicts}
    sorted_rules: dict[str, list[Rule]] = {
        "accept": list(state["accepted"]),
        "reject": list(state["rejected"]),
        "revise": [],
    }
    for rule in state["pending"]:
        failed = failures(figures[rule.id]) if "check" not in context.without else []
        verdict, reason = _decide(verdicts.get(rule.id), failed, min(revisions_left, _revisions_left(rule)))
        marked = with_entry(rule, "rule critic", state["iteration"], verdict, reason, figures[rule.id])
        sorted_rules[verdict].append(marked)
        context.listen("rule critic", f"{verdict} {rule.id}: {reason}")
        record(
            runtime, "rule critic", verdict, reason, rule=rule.id, iteration=state["iteration"],
            evidence=(*evidence, state["examples"][rule.id]), figures=figures[rule.id],
        )  # fmt: skip
    if critique.bank:
        record(runtime, "rule critic", "bank", critique.bank, iteration=state["iteration"])
    sorted_state: MiningState = {
        "pending": sorted_rules["revise"],
        "accepted": sorted_rules["accept"],
        "rejected": sorted_rules["reject"],
    }
    missing: list[str] = []
    if revisions_left > 0 and not context.without & {"critic", "check"}:
        named = failures_of(state["plan"])
        lost = [failure.mechanism for failure in _lost({**state, **sorted_state})]
        missing = lost if named else [mechanism for mechanism in critique.missing if mechanism in MECHANISMS]
    return {"critique": critique, "missing": list(dict.fromkeys(missing)), **sorted_state, **cost}


def _revisions_left(rule: Rule) -> int:
    return MAX_REVISIONS - sum(entry.verdict == "revise" for entry in rule.history)


def _lost(state: MiningState) -> list[Failure]:
    """Failures without a rule that the text names, or for which one was rejected; not those that are given up."""
    live, given_up = [*state["accepted"], *state["pending"]], state.get("given_up", [])
    return [
        failure
        for failure in failures_of(state["plan"])
        if not rules_from(failure, live)
        and (failure.in_text or rules_from(failure, state["rejected"]))
        and failure.hints[0].quote not in given_up
    ]


def _figures(rule_id: str, state: MiningState) -> dict[str, float]:
    spotted = state.get("spotted", {})
    return state["figures"][rule_id] | ({"spotted": spotted[rule_id]} if rule_id in spotted else {})


def _decide(given: Verdict | None, failed: list[str], revisions_left: int) -> tuple[str, str]:
    """Return the verdict that counts, and its reason."""
    verdict, reason = (given.verdict, given.rationale) if given else ("revise", "the critic gave no verdict")
    if verdict == "accept" and failed:
        verdict, reason = "revise", f"not accepted against its figures: fails {', '.join(failed)}"
    if verdict == "revise" and revisions_left <= 0:
        verdict, reason = "reject", f"revisions are used up: {reason}"
    return verdict, reason


async def _critique(
    task: dict[str, Any], state: MiningState, runtime: Runtime[MiningContext]
) -> tuple[Critique, MiningState, tuple[str, ...]]:
    """Return the critic's answer, its cost and its evidence; without a critic the figures decide, or nothing does."""
    without = runtime.context.without
    if without & {"critic", "check"}:
        verdicts = [
            Verdict(
                rationale="decided without a critic",
                rule_id=rule.id,
                verdict="accept" if "check" in without or not failures(state["figures"][rule.id]) else "reject",
            )
            for rule in state["pending"]
        ]
        return Critique(rationale="there is no critic", verdicts=verdicts), {}, ()
    tools = critic_tools({rule.id: state["examples"][rule.id] for rule in state["pending"]})
    consultation = await ask(state, runtime, "rule critic", task, tools, Critique)
    return consultation.answer, costs(consultation), consultation.evidence


async def revise(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """7. The planner changes the rules that the critic sent back, and writes rules for failures that have none."""
    context, missing, lost = runtime.context, state["missing"], _lost(state)
    verdicts = {verdict.rule_id: verdict for verdict in state["critique"].verdicts}
    to_revise = [
        {
            "rule": rule.model_dump(exclude={"history"}),
            "figures": state["figures"][rule.id],
            "changes": [change.model_dump() for change in verdicts[rule.id].changes] if rule.id in verdicts else [],
        }
        for rule in state["pending"]
    ]
    known_rules = [*state["accepted"], *state["rejected"], *state["pending"], *state["benign"]]
    task = {
        "task": "revise",
        "rules": to_revise,
        "missing": missing,
        "lost": [
            {
                "hint": hint.model_dump(),
                "tried": [rule.program[0].operator for rule in rules_from(failure, state["rejected"])],
            }
            for failure in lost
            for hint in failure.hints
        ]
        if missing
        else [],
        "ids": [rule.id for rule in known_rules],
        **findings(state, context),
    }
    rule_context = context.rule_context(state["profile"])
    tools = proposer_tools(context.workbench, rule_context, context.seed) if missing else []
    consultation = await ask(state, runtime, "planner", task, tools, Proposal)
    proposed = {rule.id: rule for rule in rules_of(consultation.answer.rules, context)}
    iteration = state["iteration"] + 1
    pending = []
    for rule in state["pending"]:
        new = proposed.get(rule.id, rule)
        why = new.note if rule.id in proposed else "left unchanged"
        new = new.model_copy(update={"history": rule.history, "evidence": new.evidence or rule.evidence})
        pending.append(with_entry(new, "planner", iteration, "proposed", why, {}))
        context.listen("planner", f"revises {rule.id}: {why}")
        record(runtime, "planner", "revised", why, rule=rule.id, iteration=iteration)
    known_ids = {rule.id for rule in known_rules}
    for rule in proposed.values():
        if rule.id not in known_ids and rule.mechanism in missing:
            new = with_sighting(with_quote(rule, lost), state["inspection"])
            pending.append(with_entry(new, "planner", iteration, "proposed", new.note, {}))
            context.listen("planner", f"proposes {new.id} for {new.mechanism}")
            record(runtime, "planner", "proposed", new.note, rule=new.id, iteration=iteration)
    given_up = [failure.hints[0].quote for failure in lost if missing and not rules_from(failure, pending)]
    return {
        "pending": pending,
        "iteration": iteration,
        "given_up": [*state.get("given_up", []), *given_up],
        **costs(consultation),
    }


async def place_benign(
    proposed: Sequence[Rule], taken: Collection[str], state: MiningState, runtime: Runtime[MiningContext]
) -> list[Rule]:
    """Return the benign rules that have a place in the training part; no other figure counts for them."""
    context = runtime.context
    rule_context, hosts = context.rule_context(state["profile"]), context.hosts(state["profile"])
    placed = []
    for rule in proposed:
        if rule.id in taken:
            rule = rule.model_copy(update={"id": f"normal-{rule.id}"[:40]})
        figures = (await asyncio.to_thread(discriminability, [rule], [], rule_context, hosts, context.seed))[rule.id]
        fits = THRESHOLDS["placed"].passes(figures["placed"])
        verdict, reason = ("accept", "can be placed") if fits else ("reject", "cannot be placed in the training part")
        record(runtime, "planner", "benign", f"{rule.id} {reason}: {rule.note}"[:600], figures=figures)
        context.listen("planner", f"benign rule {rule.id} {reason}")
        if fits:
            placed.append(with_entry(rule, "planner", 0, verdict, reason, figures))
    return placed


def after_criticism(state: MiningState) -> Literal["revise", "commit"]:
    """Repeat the loop while rules are pending or missing and the budget of tool calls lasts."""
    return "revise" if (state["pending"] or state["missing"]) and state["tool_calls"] < MAX_TOOL_CALLS else "commit"
