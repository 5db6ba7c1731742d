"""Execute the run graph on a run folder: start it, resume it, stop it before a step.

All functions are synchronous. The checkpoints in the folder say which steps are finished.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.constants import START
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateSnapshot

from ape.agents import Brain, open_brain
from ape.core.blocking import run_blocking
from ape.core.errors import InputError
from ape.core.progress import Listener, Progress
from ape.core.run_files import ARTEFACTS, BANK, DETECTOR, ENHANCED, EVENTS_CSV, LEDGER, POSTTRAIN
from ape.core.temporaries import remove_leftovers
from ape.graphs.mining import build_mining, mining_context
from ape.graphs.run import build_run
from ape.graphs.state import RunContext, RunState
from ape.monitor import Threshold, read_events
from ape.rules import RuleBank
from ape.runs.checkpoints import are_in_postgres, config_of, move_into_folder, open_checkpoints
from ape.runs.folder import Run, require_current_format, update_record
from ape.runs.ledger import Ledger
from ape.runs.packing import pack
from ape.runs.report import write_report
from ape.runs.result import read_scores
from ape.runs.tracing import record_spans
from ape.series.matrix_profile import warm_up
from ape.tools.artefacts import Artefacts

AFTER_MINING = ("train", "post_train")  # the steps that may follow the Rule Bank

Graph = CompiledStateGraph[RunState, RunContext, RunState, RunState]
T = TypeVar("T")


@dataclass(frozen=True)
class Callbacks:
    """Callbacks that report progress: ``listen(agent, note)`` and ``progress(step, done, total, note)``."""

    listen: Listener = lambda agent, note: None
    progress: Progress = lambda step, done, total, note="": None


SILENT = Callbacks()


@dataclass(frozen=True)
class Outcome:
    """Where a run is after it was executed.

    Parameters
    ----------
    bank : RuleBank
        The one to post-train with.
    mined : RuleBank or None
        The mined one; None if a conversation chose all rules.
    post_training : dict
        Whether the result was accepted, and why; empty before post-training.
    awaits_approval : bool
        Whether the run waits until a person approves its rules.
    """

    bank: RuleBank
    mined: RuleBank | None
    post_training: dict[str, Any]
    awaits_approval: bool


def execute(
    run: Run,
    callbacks: Callbacks = SILENT,
    *,
    mine_only: bool = False,
    dropped: Sequence[str] | None = None,
    brain: Brain | None = None,
    without: Collection[str] = (),
) -> Outcome:
    """Execute a run, or resume it from its last checkpoint.

    Parameters
    ----------
    run : Run
        ``run.request.command`` ``mine`` ends the run after the Rule Bank.
    callbacks : Callbacks
    mine_only : bool
        Stop once the Rule Bank is mined; the run can be resumed.
    dropped : sequence of str, optional
        Rules to leave out. An empty list approves all rules; None does not approve.
    brain : Brain, optional
        Default: the brain of the request.
    without : collection of str
        Parts of the mining loop to leave out, see `ape.graphs.mine`.

    Raises
    ------
    InputError
        The checkpoints, or something that the request names, cannot be used.
    """
    require_current_format(run.folder)
    remove_leftovers(run.folder)
    warm_up(lambda note: callbacks.listen("set-up", note))
    context = _context(run, callbacks, brain, without)
    stops = AFTER_MINING if mine_only else ()

    async def work(graph: Graph) -> Outcome:
        state = await _restored_state(graph, run)
        waits = _awaits_approval(state)
        if waits:
            _require_rules(dropped or (), state.values["bank"])
        elif dropped:
            raise InputError("the run does not wait for approval", str(run.folder), "fork it, or use ape chat")
        given: Any = None  # resume
        if waits:
            given = Command(resume=list(dropped or ()))
        elif state.created_at is None or (mine_only and "bank" not in state.values and not _is_mining(state)):
            given = RunState(chosen=None)  # start; a conversation may have post-trained before it mines
        elif not state.tasks:
            context.write_report()  # it may have been deleted, or written by an older version
            return _outcome(state, run)
        if not (waits and dropped is None) and not set(state.next) & set(stops):
            await _stream(graph, run, context, given, stops)
            state = await graph.aget_state(config_of(run.folder))
        return _outcome(state, run)

    return with_graph(run.folder, work)


def post_train_with_bank(run: Run, bank: RuleBank, callbacks: Callbacks = SILENT) -> Outcome:
    """Post-train with another bank than the mined one, then score and report. The backbone is trained at most once."""
    require_current_format(run.folder)
    context = replace(_context(run, callbacks), approve=False)  # the person chose the bank
    bank = bank.model_copy(update={"fingerprint": run.series.fingerprint})

    async def work(graph: Graph) -> Outcome:
        state = await _restored_state(graph, run)
        if state.values.get("chosen") != bank:
            await graph.aupdate_state(config_of(run.folder), {"chosen": bank}, as_node="mine")
        elif not state.tasks:
            return _outcome(state, run)
        await _stream(graph, run, context, None)
        return _outcome(await graph.aget_state(config_of(run.folder)), run)

    return with_graph(run.folder, work)


def next_step(run: Run) -> str:
    """Return the step at which a run resumes; empty for a finished run."""

    async def work(graph: Graph) -> str:
        state = await graph.aget_state(config_of(run.folder))
        return state.next[0] if state.next else ""

    return with_graph(run.folder, work)


def mark_trained(run: Run) -> None:
    """Mark the backbone as trained, so that the run continues with post-training. `ape.runs.batch` calls this."""

    async def work(graph: Graph) -> None:
        await graph.aupdate_state(config_of(run.folder), {"trained": True}, as_node="train")

    with_graph(run.folder, work)


def settle(run: Run) -> None:
    """Move the checkpoints of a finished run into its folder, if they are in PostgreSQL, and pack it."""

    async def work(graph: Graph) -> None:
        await move_into_folder(saver_of(graph), run.folder)

    if are_in_postgres(run.folder):
        with_graph(run.folder, work)
    pack(run.folder)


def with_graph(folder: Path, work: Callable[[Graph], Awaitable[T]]) -> T:
    """Open the checkpoints of a run folder, and call ``work`` with the run graph."""

    async def opened() -> T:
        async with open_checkpoints(folder) as saver:
            try:
                return await work(build_run().compile(checkpointer=saver))
            finally:  # after a failed node, writes of other tasks may still be running
                others = asyncio.all_tasks() - {asyncio.current_task()}
                await asyncio.gather(*others, return_exceptions=True)

    return run_blocking(opened())


def saver_of(graph: Graph) -> BaseCheckpointSaver[Any]:
    """Return the checkpointer of a graph that `with_graph` opened; it also reads the records of the mining graph."""
    return cast("BaseCheckpointSaver[Any]", build_mining().compile(checkpointer=graph.checkpointer).checkpointer)


def _context(run: Run, callbacks: Callbacks, brain: Brain | None = None, without: Collection[str] = ()) -> RunContext:
    request, folder = run.request, run.folder
    mining = mining_context(
        run.series,
        Artefacts(folder / ARTEFACTS),
        brain or open_brain(request.brain, request.model, request.seed),
        request.seed,
        callbacks.listen,
        request.image,
        request.log,
        without,
        Ledger(folder / LEDGER).write,
    )
    if mining.log.note:
        update_record(folder, log=mining.log.note)
    return RunContext(
        **vars(mining),
        folder=folder,
        backbone=request.backbone,
        post_train=request.command != "mine",
        approve=request.approve,
        write_report=lambda: write_report(folder, run.series),
        progress=callbacks.progress,
        alerts=request.alerts,
        text_file=request.text_file,
    )


async def _restored_state(graph: Graph, run: Run) -> StateSnapshot:
    """Return the state of the run; if files of a finished step were deleted, go back to that step."""
    folder, state = run.folder, await graph.aget_state(config_of(run.folder))
    values = state.values
    bank = values.get("chosen") or values.get("bank")
    if bank is not None and "mine" not in state.next and not (folder / BANK).is_file():
        bank.save(folder / BANK)
    if values.get("trained") and not (folder / DETECTOR).is_dir():
        await graph.aupdate_state(config_of(run.folder), {"trained": False}, as_node="mine")
    elif "outcome" in values and not set(state.next) & {"approve", "train", "post_train"}:
        if not ((folder / ENHANCED).is_dir() and (folder / POSTTRAIN).is_file()):
            await graph.aupdate_state(config_of(run.folder), {"trained": True}, as_node="train")
        elif "detect" not in state.next and not _detected(run):
            await graph.aupdate_state(config_of(run.folder), {"outcome": values["outcome"]}, as_node="post_train")
    return await graph.aget_state(config_of(run.folder))


def _detected(run: Run) -> bool:
    """Whether the files of the step that scores are there, undamaged, and written by this version."""
    if not (run.folder / EVENTS_CSV).is_file():
        return False
    try:
        for name in (DETECTOR, ENHANCED):
            Threshold.load(run.folder / name)
        read_scores(run.folder, run.series)
        read_events(run.folder)
    except InputError:
        return False
    return True


async def _stream(graph: Graph, run: Run, context: RunContext, given: Any, stops: Sequence[str] = ()) -> None:
    """Run the graph to its end, to an interrupt, or to one of the steps ``stops``; record the time of each step."""
    started: dict[str, float] = {}
    with record_spans(run.folder, run.series.fingerprint[:16]) as handlers:
        config: RunnableConfig = {**config_of(run.folder), "callbacks": handlers, "run_name": "run"}
        async for task in graph.astream(
            given,
            config,
            context=context,
            durability="sync",
            stream_mode="tasks",
            interrupt_before=list(stops),
        ):
            if "result" not in task:
                started[task["id"]] = time.perf_counter()
            elif not task["error"] and not task["interrupts"]:
                seconds = round(time.perf_counter() - started[task["id"]], 3)
                update_record(run.folder, timings={task["name"]: seconds}, finished=task["name"] == "report")


def _outcome(state: StateSnapshot, run: Run) -> Outcome:
    bank = state.values.get("chosen") or state.values.get("bank")
    if bank is None:
        raise InputError("the checkpoints contain no finished mining", str(run.folder), "start a new run")
    outcome = state.values.get("outcome", {})
    return Outcome(bank, state.values.get("bank"), outcome, _awaits_approval(state))


def _require_rules(rule_ids: Sequence[str], bank: RuleBank) -> None:
    known = [rule.id for rule in bank.rules]
    if unknown := [rule_id for rule_id in rule_ids if rule_id not in known]:
        raise InputError(f"no rule '{unknown[0][:60]}'", "Rule Bank", f"give one of: {', '.join(known)}")


def _is_mining(state: StateSnapshot) -> bool:
    """Whether the mining was begun and interrupted; the graph then goes on inside of it."""
    return bool(set(state.next) & {START, "mine"})


def _awaits_approval(state: StateSnapshot) -> bool:
    return any(task.interrupts for task in state.tasks)
