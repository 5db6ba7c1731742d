"""Fork a run: copy it as it was after a step, with a person's decisions in place of the agents'."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from langgraph.types import StateSnapshot

from ape.core.errors import InputError
from ape.core.files import is_free, write_bytes, write_text
from ape.core.run_files import ARTEFACTS, LEDGER
from ape.graphs.node_helpers import with_entry
from ape.graphs.state import MiningState
from ape.rules import Rule, RuleBank
from ape.runs.changing import changing
from ape.runs.checkpoints import config_of, copy_checkpoints, has_checkpoints, mining_namespace, open_checkpoints
from ape.runs.entries import read_entries
from ape.runs.execution import Graph, saver_of, with_graph
from ape.runs.folder import Run, require_current_format, update_record
from ape.runs.ledger import Ledger
from ape.tools.artefacts import Artefacts

Decision = Literal["accept", "reject", "revise"]
LISTS: dict[Decision, str] = {"accept": "accepted", "reject": "rejected", "revise": "pending"}  # lists of the state
FORKABLE = ("propose", "criticise", "revise")  # nodes after which every rule is in one of these lists


def fork(source: Path, step: int, changes: Mapping[str, Decision], out: Path) -> None:
    """Make the run folder ``out`` in the state that ``source`` had after a step, except for the changed rules.

    `ape.runs.execute` resumes the new run from there.

    Parameters
    ----------
    source : Path
        Run folder with the checkpoints of a mining.
    step : int
        A step of the mining graph, numbered as in the trace, after which every rule is accepted, rejected or pending.
    changes : mapping of str to {"accept", "reject", "revise"}
        Decision by rule id. Each is recorded as a person's decision in the history of the rule and in the ledger.
    out : Path
        Must not exist.

    Raises
    ------
    InputError
        The step or a rule does not exist, or nothing changes.
    """
    run = Run.open(source)
    require_current_format(source)
    if not has_checkpoints(source):
        raise InputError("no checkpoints", str(source), "give a run folder")

    async def find(graph: Graph) -> tuple[str, StateSnapshot]:
        node, snapshot = await _state_after(graph, step, source)
        _changed_lists(snapshot.values, changes, source)  # refuse impossible changes before anything is written
        return node, snapshot

    node, snapshot = with_graph(source, find)
    if not is_free(out):
        raise InputError("the folder is not empty", str(out), "choose another --out")

    async def copy(graph: Graph) -> None:
        async with open_checkpoints(new) as target:
            thread = config_of(new)["configurable"]["thread_id"]
            await copy_checkpoints(saver_of(graph), source, target, thread, _last_checkpoints(snapshot))

    async def update(graph: Graph) -> None:
        place = {**snapshot.config["configurable"], **config_of(new)["configurable"]}
        await graph.aupdate_state(
            {"configurable": place}, _changed_lists(snapshot.values, changes, source), as_node=node
        )

    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as temporary:
        new = Run.create(Path(temporary) / "run", run.request, run.series).folder
        with changing(new):
            update_record(new, forked_from={"run": str(source.resolve()), "step": step, "changes": dict(changes)})
            _copy_artefacts(source / ARTEFACTS, new / ARTEFACTS)
            _copy_ledger(source, new, snapshot, step, changes)
            with_graph(source, copy)
            with_graph(new, update)
        new.rename(out)


def differences(left: RuleBank, right: RuleBank) -> list[str]:
    """Return the differences between two banks, one line each."""
    ours, theirs = ({rule.id: rule for rule in bank.rules} for bank in (left, right))
    lines = [f"{rule} is only in the first" for rule in ours if rule not in theirs]
    lines += [f"{rule} is only in the second" for rule in theirs if rule not in ours]
    for rule_id in ours.keys() & theirs.keys():
        mine, yours = (bank[rule_id].model_dump(exclude={"history", "evidence", "note"}) for bank in (ours, theirs))
        changed = [name for name in mine if mine[name] != yours[name]]
        lines += [f"{rule_id}: {name} {mine[name]} in the first, {yours[name]} in the second" for name in changed]
    return sorted(lines)


async def _state_after(graph: Graph, step: int, source: Path) -> tuple[str, StateSnapshot]:
    """Return the node that ran in a step of the mining, and the state after it."""
    namespace = await mining_namespace(saver_of(graph), source)
    config: Any = {"configurable": {**config_of(source)["configurable"], "checkpoint_ns": namespace}}
    history = [snapshot async for snapshot in graph.aget_state_history(config)] if namespace else []
    by_step: dict[int, StateSnapshot] = {}
    updates = set()  # steps in which no node ran: decisions of earlier forks, which change the step before
    for snapshot in reversed(history):
        step_number, metadata = int((snapshot.metadata or {}).get("step", -9)), snapshot.metadata or {}
        by_step[step_number] = snapshot
        if metadata.get("source") == "update":
            by_step[step_number - 1] = snapshot
            updates.add(step_number)
    ran = {number: by_step[number - 1].next for number in by_step if number - 1 in by_step and number not in updates}
    forkable = {number: nodes[0] for number, nodes in ran.items() if len(nodes) == 1 and nodes[0] in FORKABLE}
    if step not in forkable:
        known = ", ".join(f"{number} ({node})" for number, node in sorted(forkable.items()))
        raise InputError(f"the run cannot be forked after step {step}", str(source), f"give one of: {known or 'none'}")
    return forkable[step], by_step[step]


def _copy_artefacts(source: Path, target: Path) -> None:
    """Copy the artefacts; damaged ones are refused."""
    if not source.is_dir():
        raise InputError("the artefacts of the run are missing", str(source), "give another run")
    artefacts = Artefacts(source)
    for path in source.iterdir():
        if not path.name.startswith("."):
            write_bytes(target / path.name, artefacts.get_bytes(path.name))


def _copy_ledger(
    source: Path, target: Path, snapshot: StateSnapshot, step: int, changes: Mapping[str, Decision]
) -> None:
    """Copy the entries up to the step, and record the changes."""
    cut = str(snapshot.config["configurable"]["checkpoint_id"])
    entries = [entry for entry in read_entries(source) if str(entry["checkpoint"]) < cut]  # ids are in order
    write_text(target / LEDGER, "".join(f"{json.dumps(entry)}\n" for entry in entries))
    ledger, iteration = Ledger(target / LEDGER), snapshot.values["iteration"]
    for rule, decision in changes.items():
        ledger.write("person", decision, f"decided in a fork after step {step}", rule=rule, iteration=iteration)


def _last_checkpoints(snapshot: StateSnapshot) -> dict[str, str]:
    """Return the last checkpoints to copy by namespace, so that the copy resumes inside the mining."""
    config = snapshot.config["configurable"]
    return {"": config["checkpoint_map"][""], config["checkpoint_ns"]: config["checkpoint_id"]}


def _changed_lists(state: dict[str, Any], changes: Mapping[str, Decision], source: Path) -> MiningState:
    """Return the state's lists with each changed rule moved to its new list."""
    lists: dict[str, list[Rule]] = {name: list(state.get(name) or []) for name in LISTS.values()}
    if not changes:
        raise InputError("no decision changes", "fork", "give --accept, --reject or --revise with a rule")
    for rule_id, decision in changes.items():
        place = next(((name, rule) for name, rules in lists.items() for rule in rules if rule.id == rule_id), None)
        if place is None:
            known = ", ".join(rule.id for rules in lists.values() for rule in rules)
            raise InputError(f"no rule '{rule_id}' at that step", str(source), f"give one of: {known}")
        name, rule = place
        if name == LISTS[decision]:
            raise InputError(
                f"'{rule_id}' is already {name} there", str(source), "give another decision, or another step"
            )
        lists[name].remove(rule)
        lists[LISTS[decision]].append(with_entry(rule, "person", state["iteration"], decision, "decided in a fork", {}))
    return cast(MiningState, lists)
