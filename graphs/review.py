"""The loop of the mining graph: generate, spot the difference, check, criticise, revise."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from ape.agents.consult import MAX_PICTURES
from ape.agents.records import Critique, Proposal, Spotting, Verdict
from ape.graphs.asking import Run, ask, compiled, cost_of, known, note, with_event
from ape.graphs.state import MAX_ITERATIONS, MAX_TOOL_CALLS, MiningState
from ape.rules import Rule
from ape.rules.check import THRESHOLDS, discriminability, failures
from ape.rules.vocabulary import MECHANISMS
from ape.tools import critic_tools, proposer_tools, spotter_tools
from ape.tools.preview import draw_examples, sample_examples
from ape.tools.spot_the_difference import draw_puzzle, hit_rate


async def generate(state: MiningState, runtime: Run) -> MiningState:
    """4. Every pending rule generates examples; their picture goes to the artefact store."""
    mining = runtime.context
    context, hosts = mining.context(state["profile"]), mining.hosts(state["profile"])

    def draw(rule: Rule) -> str:
        return mining.workbench.artefacts.put_bytes(draw_examples(*sample_examples(rule, context, hosts)), ".png")

    mining.listen("generator", f"iteration {state['iteration']}: {len(state['pending'])} rules")
    examples = {rule.id: await asyncio.to_thread(draw, rule) for rule in state["pending"]}
    return {"examples": {**state.get("examples", {}), **examples}}


async def spot(state: MiningState, runtime: Run) -> MiningState:
    """5a. The visual inspector looks for the generated ones among normal windows, without being told which they are."""
    mining = runtime.context
    if "pictures" in mining.without:
        return {}
    context, hosts = mining.context(state["profile"]), mining.hosts(state["profile"])
    puzzles, answers = {}, {}
    for rule in state["pending"]:
        drawn, answers[rule.id] = await asyncio.to_thread(draw_puzzle, rule, context, hosts, mining.seed)
        puzzles[rule.id] = mining.workbench.artefacts.put_bytes(drawn, ".png")
    rules = list(puzzles)
    shares = [rules[first : first + MAX_PICTURES] for first in range(0, len(rules), MAX_PICTURES)]
    outcomes = await asyncio.gather(
        *(
            ask(runtime, "visual inspector", {"task": "spot", "rules": share}, spotter_tools(puzzles), Spotting)
            for share in shares
        )
    )
    spotted: dict[str, float] = {}
    for share, outcome in zip(shares, outcomes, strict=True):
        for rule_id in share if outcome.answer.sees_pictures else ():
            odd = [oddity for oddity in outcome.answer.odd if oddity.rule_id == rule_id]
            spotted[rule_id] = hit_rate({oddity.panel for oddity in odd}, set(answers[rule_id]))
            why = f"panels {answers[rule_id]} were made; " + ", ".join(f"{o.panel}: {o.rationale}" for o in odd)
            note(
                runtime, "visual inspector", "spotted", why[:600], rule=rule_id, iteration=state["iteration"],
                evidence=(puzzles[rule_id],), figures={"spotted": spotted[rule_id]},
            )  # fmt: skip
    return {"spotted": spotted, **cost_of(*outcomes)}


async def discriminate(state: MiningState, runtime: Run) -> MiningState:
    """5b. The discriminability check measures them on held-out hosts."""
    mining = runtime.context
    context, hosts = mining.context(state["profile"]), mining.hosts(state["profile"])
    figures = await asyncio.to_thread(
        discriminability, state["pending"], state["accepted"], context, hosts, mining.seed
    )
    for rule in state["pending"]:
        failed = failures(figures[rule.id])
        verdict = f"fails {', '.join(failed)}" if failed else "passes"
        mining.listen("discriminability", f"{rule.id} {verdict}")
        note(
            runtime, "discriminability", "measured", verdict, rule=rule.id, iteration=state["iteration"],
            evidence=(state["examples"][rule.id],), figures=figures[rule.id],
        )  # fmt: skip
    return {"figures": {**state.get("figures", {}), **figures}}


async def criticise(state: MiningState, runtime: Run) -> MiningState:
    """6. The rule critic accepts, sends back or rejects each rule; no rule is accepted against its figures."""
    mining = runtime.context
    left = MAX_ITERATIONS - 1 - state["iteration"]
    figures = {
        rule.id: state["figures"][rule.id]
        | ({"spotted": state["spotted"][rule.id]} if rule.id in state.get("spotted", {}) else {})
        for rule in state["pending"]
    }
    named = [hint.mechanism for hint in state["plan"].hints]
    task = {
        "task": "criticise",
        "revisions_left": left,
        "thresholds": {name: vars(threshold) for name, threshold in THRESHOLDS.items()},
        "named": list(dict.fromkeys(named)),
        "accepted": [{"id": rule.id, "mechanism": rule.mechanism} for rule in state["accepted"]],
        "rules": [
            {"rule": rule.model_dump(exclude={"history"}), "figures": figures[rule.id]} for rule in state["pending"]
        ],
    }
    critique, cost, evidence = await _critique(task, state, runtime)
    verdicts = {verdict.rule_id: verdict for verdict in critique.verdicts}
    pending: list[Rule] = []
    accepted, rejected = list(state["accepted"]), list(state["rejected"])
    for rule in state["pending"]:
        given = verdicts.get(rule.id)
        word, reason = (given.verdict, given.rationale) if given else ("revise", "the critic gave no verdict")
        failed = failures(figures[rule.id]) if "check" not in mining.without else []
        if word == "accept" and failed:
            word, reason = "revise", f"not accepted against its figures: fails {', '.join(failed)}"
        if word == "revise" and left <= 0:
            word, reason = "reject", f"revisions are used up: {reason}"
        marked = with_event(rule, "rule critic", state["iteration"], word, reason, figures[rule.id])
        {"accept": accepted, "reject": rejected, "revise": pending}[word].append(marked)
        mining.listen("rule critic", f"{word} {rule.id}: {reason}")
        note(
            runtime, "rule critic", word, reason, rule=rule.id, iteration=state["iteration"],
            evidence=(*evidence, state["examples"][rule.id]), figures=figures[rule.id],
        )  # fmt: skip
    if critique.bank:
        note(runtime, "rule critic", "bank", critique.bank, iteration=state["iteration"])
    missing = [mechanism for mechanism in critique.missing if mechanism in MECHANISMS] if left > 0 else []
    return {
        "critique": critique,
        "missing": missing,
        "pending": pending,
        "accepted": accepted,
        "rejected": rejected,
        **cost,
    }


async def _critique(
    task: dict[str, Any], state: MiningState, runtime: Run
) -> tuple[Critique, MiningState, tuple[str, ...]]:
    """The critic's answer, its cost and its evidence; without a critic the figures alone decide, or nothing does."""
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
    outcome = await ask(runtime, "rule critic", task, tools, Critique)
    return outcome.answer, cost_of(outcome), outcome.evidence


async def revise(state: MiningState, runtime: Run) -> MiningState:
    """7. The planner changes what the critic sent back, and writes rules for what is missing."""
    verdicts = {verdict.rule_id: verdict for verdict in state["critique"].verdicts}
    asked = [
        {
            "rule": rule.model_dump(exclude={"history"}),
            "figures": state["figures"][rule.id],
            "changes": [change.model_dump() for change in verdicts[rule.id].changes] if rule.id in verdicts else [],
        }
        for rule in state["pending"]
    ]
    mining, missing = runtime.context, state["missing"]
    tried = [rule.program[0].operator for rule in [*state["accepted"], *state["rejected"], *state["pending"]]]
    task = {"task": "revise", "rules": asked, "missing": missing, "tried": tried, **known(state, mining)}
    tools = proposer_tools(mining.workbench, mining.context(state["profile"]), mining.seed) if missing else []
    outcome = await ask(runtime, "planner", task, tools, Proposal)
    revised = {rule.id: rule for rule in compiled(outcome.answer.rules, set(runtime.context.series.channels))}
    iteration = state["iteration"] + 1
    pending = []
    for rule in state["pending"]:
        new = revised.get(rule.id, rule)
        why = new.note if rule.id in revised else "left as it was"
        marked = with_event(new.model_copy(update={"history": rule.history}), "planner", iteration, "proposed", why, {})
        pending.append(marked)
        runtime.context.listen("planner", f"revises {rule.id}: {why}")
        note(runtime, "planner", "revised", why, rule=rule.id, iteration=iteration)
    seen = {rule.id for rule in [*state["accepted"], *state["rejected"], *state["pending"]]}
    for rule in revised.values():
        if rule.id not in seen and rule.mechanism in missing:
            pending.append(with_event(rule, "planner", iteration, "proposed", rule.note, {}))
            runtime.context.listen("planner", f"proposes {rule.id} for {rule.mechanism}")
            note(runtime, "planner", "proposed", rule.note, rule=rule.id, iteration=iteration)
    return {"pending": pending, "iteration": iteration, **cost_of(outcome)}


def after_criticism(state: MiningState) -> Literal["revise", "commit"]:
    """Go round again while rules are pending or missing, and the budget lasts."""
    return "revise" if (state["pending"] or state["missing"]) and state["tool_calls"] < MAX_TOOL_CALLS else "commit"
