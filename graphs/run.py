"""The run graph: mine -> approve -> train -> post_train -> detect -> report.

Every step is checkpointed, so that a killed run resumes at the step that was interrupted. Each step writes its result
into the run folder; training and post-training also resume inside their step.
"""

from __future__ import annotations

import asyncio
from typing import Literal, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from ape import detectors, posttrain
from ape.core.checkpoint import delete_checkpoint
from ape.core.run_files import BANK, DETECTOR, ENHANCED, POSTTRAINING, SCORES, TRAINING
from ape.detectors.train_into_folder import train_into_folder
from ape.graphs.mining import build_mining
from ape.graphs.node_helpers import record
from ape.graphs.state import RunContext, RunState
from ape.monitor import answer, threshold_for, write_events
from ape.posttrain import steps
from ape.posttrain.channels import assess
from ape.rules import RuleBank


async def approve(state: RunState, runtime: Runtime[RunContext]) -> RunState:
    """2. Write the mined Rule Bank; if requested, wait until a person has named the rules to drop."""
    if state.get("chosen") is not None:
        return {}  # a person chose it in a conversation
    context, bank = runtime.context, state["bank"]
    bank.save(context.folder / BANK)
    if not context.approve:
        return {"chosen": bank}
    dropped = interrupt({"rules": [rule.id for rule in bank.rules]})
    for rule_id in dropped:
        record(runtime, "person", "reject", "dropped before post-training", rule=rule_id)
    return {"chosen": without_rules(bank, dropped)}


async def train(state: RunState, runtime: Runtime[RunContext]) -> RunState:
    """3. Train the backbone.

    A step deletes the checkpoint inside the step before it: a run that is killed between two steps loses no training.
    """
    context = runtime.context
    context.listen("detector", f"trains {context.backbone}")
    target = context.folder / DETECTOR
    await asyncio.to_thread(
        train_into_folder,
        context.backbone,
        context.series,
        target,
        context.seed,
        context.progress,
        keep_checkpoint=True,
    )
    return {"trained": True}


async def post_train(state: RunState, runtime: Runtime[RunContext]) -> RunState:
    """4. Post-train it with the chosen Rule Bank, on the GPU if there is one."""
    context, bank = runtime.context, cast(RuleBank, state["chosen"])  # approve has set it
    delete_checkpoint(context.folder / TRAINING)
    bank.save(context.folder / BANK)
    context.listen("post-training", f"enhances it with {len(bank.rules)} rules")
    detector = detectors.load(context.folder / DETECTOR)
    target = context.folder / ENHANCED
    report = await asyncio.to_thread(
        steps.post_train, detector, bank, context.series, target, context.seed, context.progress, keep_checkpoint=True
    )
    record(runtime, "post-training", f"kept {report['kept']}", report["reason"])
    return {"outcome": {name: report[name] for name in ("accepted", "kept", "reason")}}


async def detect(state: RunState, runtime: Runtime[RunContext]) -> RunState:
    """5. Score the whole series before and after post-training, and find its events."""
    context = runtime.context
    delete_checkpoint(context.folder / POSTTRAINING)
    context.listen("detector", "scores the series before and after")
    for note in await asyncio.to_thread(_detect, context, cast(RuleBank, state["chosen"])):
        context.listen("detector", note)
        record(runtime, "detector", "note", note)
    return {}


def _detect(context: RunContext, bank: RuleBank) -> list[str]:
    """Write thresholds, scores and events; return notes on later values, such as a sensor that stands still."""
    folder, series = context.folder, context.series
    backbone, enhanced = detectors.load(folder / DETECTOR), posttrain.load(folder / ENHANCED)
    before, after = assess(backbone, series), assess(enhanced, series, progress=context.progress)
    threshold_for(backbone, series, context.alerts, before).save(folder / DETECTOR)
    threshold = threshold_for(enhanced, series, context.alerts, after)
    threshold.save(folder / ENHANCED)
    found = answer(enhanced, series, threshold, bank, context.text_file, after)
    scores = {"before": before.score, "after": after.score}
    channels = steps.channel_scores(after, found.series.channels)
    steps.write_scores(folder / SCORES, series, scores | channels)
    write_events(folder, found)
    return [note for note in found.series.notes if note not in series.notes]


async def report(state: RunState, runtime: Runtime[RunContext]) -> RunState:
    """6. Write the report."""
    await asyncio.to_thread(runtime.context.write_report)
    return {}


def after_approval(state: RunState, runtime: Runtime[RunContext]) -> Literal["train", "post_train", "report"]:
    """Skip what is not requested, and the training of a backbone that is trained already."""
    if not runtime.context.post_train:
        return "report"
    return "post_train" if state.get("trained") else "train"


def without_rules(bank: RuleBank, dropped: list[str]) -> RuleBank:
    """Return the bank without these rules."""
    return bank.model_copy(update={"rules": [rule for rule in bank.rules if rule.id not in dropped]})


def build_run() -> StateGraph[RunState, RunContext, RunState, RunState]:
    """Connect the nodes."""
    graph: StateGraph[RunState, RunContext, RunState, RunState] = StateGraph(RunState, context_schema=RunContext)
    graph.add_node("mine", build_mining().compile())  # 1. the mining graph, with checkpoints of its own
    for node in (approve, train, post_train, detect, report):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "mine")
    graph.add_edge("mine", "approve")
    graph.add_conditional_edges("approve", after_approval)
    graph.add_edge("train", "post_train")
    graph.add_edge("post_train", "detect")
    graph.add_edge("detect", "report")
    graph.add_edge("report", END)
    return graph
