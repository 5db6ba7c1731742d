"""The mining graph: plan, profile and inspect, propose, the loop of `ape.graphs.review`, commit.

Nodes are async, idempotent and return only what they change. They are defined in the order in which they run; the edges
follow them, then `mine`, which runs the graph in one call without a run folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from ape.agents import Brain, open_brain
from ape.agents.records import Inspection, Plan, Profile, Proposal
from ape.agents.sightings import with_known_pictures
from ape.core.blocking import run_blocking
from ape.core.errors import InputError
from ape.core.progress import Listener
from ape.graphs.accounting import failures_of, sentence_uses, with_quote, with_shares, with_sighting
from ape.graphs.node_helpers import ask, costs, findings, group_names, record, represented, rules_of, with_entry
from ape.graphs.review import after_criticism, criticise, discriminate, generate, place_benign, revise, spot
from ape.graphs.state import PARTS, MiningContext, MiningState, RecordDecision, record_nothing
from ape.rules import RuleBank
from ape.series import Series
from ape.tools import inspector_tools, planner_tools, profiler_tools, proposer_tools
from ape.tools.artefacts import Artefacts
from ape.tools.logs import NO_LOG, read_log
from ape.tools.user_pictures import read_picture
from ape.tools.workbench import Workbench


async def plan(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """1. The planner reads what is measured and what people wrote."""
    context = runtime.context
    if context.log.note:
        context.listen("planner", f"reads the log: {context.log.note}")
    tools = planner_tools(context.workbench, context.log)
    consultation = await ask(state, runtime, "planner", {"task": "plan"}, tools, Plan)
    answer: Plan = consultation.answer
    answer = _with_known_channels(answer, context.series.channels, group_names(context))
    record(runtime, "planner", "plan", answer.rationale, evidence=consultation.evidence)
    return {"plan": answer, "iteration": 0, "accepted": [], "rejected": [], **costs(consultation)}


def _with_known_channels(answer: Plan, channels: Sequence[str], groups: set[str]) -> Plan:
    """Return a plan without channels and groups that the series lacks."""
    hints = [
        hint.model_copy(
            update={
                "channels": [name for name in hint.channels if name in channels],
                "groups": [name for name in hint.groups if name in groups],
            }
        )
        for hint in answer.hints
    ]
    studied = [name for name in answer.channels if name in channels] or list(channels[:1])
    return answer.model_copy(update={"channels": studied, "hints": hints})


async def profile(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """2a. The profiler measures the planned channels."""
    context, channels = runtime.context, state["plan"].channels
    task = {"task": "profile", "channels": channels, **represented(context, channels)}
    consultation = await ask(state, runtime, "profiler", task, profiler_tools(context.workbench), Profile)
    record(runtime, "profiler", "profile", consultation.answer.rationale, evidence=consultation.evidence)
    return {"profile": consultation.answer, **costs(consultation)}


async def inspect(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """2b. The visual inspector examines pictures of the planned channels."""
    context = runtime.context
    if "pictures" in context.without:
        return {"inspection": Inspection(rationale="pictures are left out", sees_pictures=False)}
    channels = state["plan"].channels
    task = {"task": "inspect", "channels": channels, "users_pictures": len(context.pictures)}
    task |= represented(context, channels)
    tools = inspector_tools(context.workbench, context.pictures)
    consultation = await ask(state, runtime, "visual inspector", task, tools, Inspection)
    inspection = with_known_pictures(consultation.answer, consultation.pictures)
    record(runtime, "visual inspector", "inspect", inspection.rationale, evidence=consultation.evidence)
    return {"inspection": inspection, **costs(consultation)}


async def propose(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """3. The planner writes rules."""
    context = runtime.context
    task = {"task": "propose", **findings(state, context)}
    tools = proposer_tools(context.workbench, context.rule_context(state["profile"]), context.seed)
    consultation = await ask(state, runtime, "planner", task, tools, Proposal)
    failures = failures_of(state["plan"])
    drafts = [
        with_sighting(with_quote(rule, failures), state["inspection"])
        for rule in rules_of(consultation.answer.rules, context)
    ]
    pending = [with_entry(rule, "planner", 0, "proposed", rule.note, {}) for rule in drafts]
    for rule in pending:
        evidence = tuple(item.id for item in rule.evidence)
        record(runtime, "planner", "proposed", rule.note, rule=rule.id, evidence=evidence)
    record(runtime, "planner", "propose", consultation.answer.rationale, evidence=consultation.evidence)
    proposed = rules_of(consultation.answer.benign, context)
    benign = await place_benign(proposed, {rule.id for rule in pending}, state, runtime)
    return {"pending": pending, "benign": benign, **costs(consultation)}


async def commit(state: MiningState, runtime: Runtime[MiningContext]) -> MiningState:
    """8. The accepted rules become the Rule Bank."""
    context = runtime.context
    bank = _bank(state, context)
    record(runtime, "planner", "commit", bank.ended, iteration=state["iteration"])
    context.listen("planner", f"commits {len(bank.rules)} rules; {bank.ended}")
    if context.brain.server is not None:
        for agent, cost in state["spent"].items():
            summary = (
                "{calls:.0f} replies, {known:.0f} cached ones, {tokens_in:.0f} tokens in, {tokens_out:.0f} out,"
                " {seconds:.0f} s"
            )
            record(runtime, agent, "spent", summary.format(**cost), figures=cost)
    return {"bank": bank}


def _bank(state: MiningState, context: MiningContext) -> RuleBank:
    """Return the Rule Bank of a state, rounded as on disk."""
    rejected, pending = state["rejected"], state["pending"]
    iterations = state["iteration"] + 1
    ended = (
        f"{len(state['accepted'])} accepted, {len(rejected)} rejected in {iterations} iteration{'s' * (iterations > 1)}"
    )
    if pending:
        ended += f"; {len(pending)} undecided when the budget of tool calls ran out"
    if replaced := [agent for agent, cost in state["spent"].items() if cost.get("replaced")]:
        ended += f"; embedded in place of the model: {', '.join(replaced)}"
    rules, benign = with_shares(state["accepted"]), with_shares(state.get("benign", []))
    bank = RuleBank(
        scenario=state["plan"].scenario,
        rules=rules,
        benign=benign,
        sentences=sentence_uses(context.series.text, state["plan"], rules, benign, [*rejected, *pending]),
        context=context.rule_context(state["profile"]),
        fingerprint=context.series.fingerprint,
        seed=context.seed,
        ended=ended,
    )
    return RuleBank.model_validate_json(bank.to_json())


def build_mining() -> StateGraph[MiningState, MiningContext, MiningState, MiningState]:
    """Connect the nodes."""
    graph: StateGraph[MiningState, MiningContext, MiningState, MiningState] = StateGraph(
        MiningState, context_schema=MiningContext
    )
    for node in (plan, profile, inspect, propose, generate, spot, discriminate, criticise, revise, commit):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "profile")  # in parallel
    graph.add_edge("plan", "inspect")
    graph.add_edge(["profile", "inspect"], "propose")  # waits for both
    graph.add_edge("propose", "generate")
    graph.add_edge("generate", "spot")  # in parallel
    graph.add_edge("generate", "discriminate")
    graph.add_edge(["spot", "discriminate"], "criticise")
    graph.add_conditional_edges("criticise", after_criticism)
    graph.add_edge("revise", "generate")  # the loop
    graph.add_edge("commit", END)
    return graph


def mine(
    series: Series,
    text: str | None = None,
    brain: Brain | None = None,
    seed: int = 0,
    listen: Listener = lambda agent, note: None,
    images: Sequence[Path | str] = (),
    log: Path | str | None = None,
    without: Collection[str] = (),
) -> RuleBank:
    """Mine the Rule Bank of one scenario.

    `ape.runs.execute` mines into a run folder instead, with checkpoints, a ledger and a trace.

    Parameters
    ----------
    series : Series
        Only its training part is used.
    text : str, optional
        What people wrote about the scenario; default: the text of the series.
    brain : Brain, optional
        The agents' model, see `ape.agents.open_brain`; default: what ``APE_BRAIN_URL`` names, else embedded.
    seed : int
        The same series, text, seed and brain give the same bank.
    listen : callable
        Called as ``listen(agent, note)``.
    images : sequence of Path
        The user's own pictures for the visual inspector. The embedded inspector cannot read them and says so.
    log : Path, optional
        A log file. If the log and the series have times, lines after the training part are left out. Needs the extra
        ``logs``.
    without : collection of str
        Parts of the loop to leave out in an ablation: ``pictures``, ``critic`` (the figures of the first check decide)
        or ``check`` (every proposed rule is accepted).

    Returns
    -------
    RuleBank

    Raises
    ------
    InputError
        A picture, the log or the name of a part cannot be used.
    """
    if text is not None:
        series = replace(series, text=text)
    with tempfile.TemporaryDirectory() as folder:
        context = mining_context(series, Artefacts(Path(folder)), brain, seed, listen, images, log, without)
        final = run_blocking(build_mining().compile().ainvoke(MiningState(), context=context))
    bank: RuleBank = final["bank"]
    return bank


def mining_context(
    series: Series,
    artefacts: Artefacts,
    brain: Brain | None,
    seed: int,
    listen: Listener,
    images: Sequence[Path | str],
    log: Path | str | None,
    without: Collection[str] = (),
    record: RecordDecision = record_nothing,
) -> MiningContext:
    """Read the pictures and the log, and put together what the nodes work with; see `mine` for the parameters."""
    if unknown := set(without) - set(PARTS):
        raise InputError(f"the loop has no part {sorted(unknown)}", "without", f"leave out any of {', '.join(PARTS)}")
    pictures = [read_picture(Path(image)) for image in images]
    workbench = Workbench(series, artefacts)
    return MiningContext(
        series=series,
        workbench=workbench,
        brain=brain or open_brain(seed=seed),
        seed=seed,
        record=record,
        listen=listen,
        pictures=tuple(artefacts.put_bytes(picture, ".png") for picture in pictures),
        log=NO_LOG
        if log is None
        else read_log(Path(log), workbench.series.timestamps, workbench.series.zone, workbench.series.clock_offset),
        without=frozenset(without),
    )
