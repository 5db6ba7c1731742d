"""A run told anew from one of its checkpoints, with a person's decision in the place of the agents'."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from ape.graphs.asking import with_event
from ape.runs.folder import create_folder, open_folder, update_record
from ape.runs.ledger import Ledger
from ape.graphs.mine import CHECKPOINTS, THREAD
from ape.graphs.mining import build_graph
from ape.graphs.state import MiningState
from ape.rules import Rule, RuleBank
from ape.core.errors import InputError
from ape.core.files import is_free, write_text

Word = Literal["accept", "reject", "revise"]
WORDS: dict[Word, str] = {"accept": "accepted", "reject": "rejected", "revise": "pending"}  # by the state's lists
DECIDING = ("propose", "criticise", "revise")  # nodes after which every rule has its place in one of them


def fork(run: Path, step: int, changes: Mapping[str, Word], out: Path) -> None:
    """Make the run folder ``out``, which stands where ``run`` stood after a step, but for these rules; resume goes on.

    Parameters
    ----------
    run : Path
        Folder of a mining with its checkpoints.
    step : int
        Of the graph, as its trace numbers them: one after which every rule is accepted, rejected or pending.
    changes : mapping of str to {"accept", "reject", "revise"}
        By rule; each goes into the rule's history and the ledger as a person's.
    out : Path
        Not there yet.

    Raises
    ------
    InputError
        No such step or rule, or nothing changes.
    """
    request, series = open_folder(run)
    if not (run / CHECKPOINTS).is_file():
        raise InputError("no checkpoints", str(run / CHECKPOINTS), "give the folder of a mining")
    with _graph(run / CHECKPOINTS) as graph:
        node, snapshot = _after(graph, step, run)
        _changed(snapshot.values, changes, run)  # what cannot be is refused before anything is made
    if not is_free(out):
        raise InputError("the folder is not empty", str(out), "choose another --out")
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as passing:
        new = create_folder(Path(passing) / "run", request, series)
        update_record(new, forked_from={"run": str(run.resolve()), "step": step, "changes": dict(changes)})
        shutil.copytree(run / "artefacts", new / "artefacts")
        before = str(snapshot.config["configurable"]["checkpoint_id"])
        kept = [entry for entry in Ledger(run / "ledger.jsonl") if str(entry["checkpoint"]) < before]  # ids tell time
        write_text(new / "ledger.jsonl", "".join(f"{json.dumps(entry)}\n" for entry in kept))
        ledger, iteration = Ledger(new / "ledger.jsonl"), snapshot.values["iteration"]
        for rule, word in changes.items():
            ledger.write("person", word, f"decided anew after step {step}", rule=rule, iteration=iteration)
        _copy(run / CHECKPOINTS, new / CHECKPOINTS)
        with _graph(new / CHECKPOINTS) as graph:
            graph.update_state(snapshot.config, _changed(snapshot.values, changes, run), as_node=node)
        new.rename(out)


def _copy(database: Path, target: Path) -> None:
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def differences(one: RuleBank, other: RuleBank) -> list[str]:
    """What differs between two banks, a line each."""
    ours, theirs = ({rule.id: rule for rule in bank.rules} for bank in (one, other))
    lines = [f"{rule} is here only" for rule in ours if rule not in theirs]
    lines += [f"{rule} is there only" for rule in theirs if rule not in ours]
    for rule_id in ours.keys() & theirs.keys():
        mine, yours = (bank[rule_id].model_dump(exclude={"history", "evidence", "note"}) for bank in (ours, theirs))
        changed = [name for name in mine if mine[name] != yours[name]]
        lines += [f"{rule_id}: {name} {mine[name]} here, {yours[name]} there" for name in changed]
    return sorted(lines)


@contextlib.contextmanager
def _graph(checkpoints: Path) -> Iterator[CompiledStateGraph[Any, Any, Any, Any]]:
    try:
        with SqliteSaver.from_conn_string(str(checkpoints)) as saver:
            yield build_graph().compile(checkpointer=saver)
    except sqlite3.DatabaseError as error:
        raise InputError(f"the checkpoints cannot be used: {error}", str(checkpoints), "fork another run") from error


def _after(graph: CompiledStateGraph[Any, Any, Any, Any], step: int, run: Path) -> tuple[str, StateSnapshot]:
    """The node that ran in this step, and the state after it."""
    config: RunnableConfig = {"configurable": {"thread_id": THREAD}}
    by_step = {int((each.metadata or {}).get("step", -9)): each for each in graph.get_state_history(config)}
    ran = {number: by_step[number - 1].next for number in by_step if number - 1 in by_step}
    deciding = {number: nodes[0] for number, nodes in ran.items() if len(nodes) == 1 and nodes[0] in DECIDING}
    if step not in deciding:
        known = ", ".join(f"{number} ({node})" for number, node in sorted(deciding.items()))
        raise InputError(f"nothing can be decided anew after step {step}", str(run), f"give one of: {known or 'none'}")
    return deciding[step], by_step[step]


def _changed(state: dict[str, Any], changes: Mapping[str, Word], run: Path) -> MiningState:
    """The state's lists with these rules where they are wanted."""
    lists: dict[str, list[Rule]] = {name: list(state.get(name) or []) for name in WORDS.values()}
    if not changes:
        raise InputError("nothing to decide anew", "fork", "give --accept, --reject or --revise with a rule")
    for rule_id, word in changes.items():
        found = next(((name, rule) for name, rules in lists.items() for rule in rules if rule.id == rule_id), None)
        if found is None:
            known = ", ".join(rule.id for rules in lists.values() for rule in rules)
            raise InputError(f"no rule '{rule_id}' at that step", str(run), f"give one of: {known}")
        name, rule = found
        if name == WORDS[word]:
            raise InputError(f"'{rule_id}' is {name} there already", str(run), "decide otherwise, or at another step")
        lists[name].remove(rule)
        lists[WORDS[word]].append(with_event(rule, "person", state["iteration"], word, "decided anew in a fork", {}))
    return cast(MiningState, lists)
