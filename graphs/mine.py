"""Running the mining graph: on a folder with checkpoints, so that it can be killed and resumed, or in passing."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from ape.agents import Brain, open_brain
from ape.core.errors import InputError
from ape.core.progress import Listener
from ape.graphs.mining import bank_of, build_graph
from ape.graphs.state import PARTS, Mining, MiningState
from ape.rules import RuleBank
from ape.runs.ledger import Ledger
from ape.runs.tracing import recorded
from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.logs import NO_LOG, read_log
from ape.tools.user_pictures import read_picture
from ape.tools.workbench import Workbench

CHECKPOINTS, THREAD = "checkpoints.sqlite", "mining"

Result = TypeVar("Result")


def mine(
    series: Series,
    text: str | None = None,
    brain: Brain | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    hand_over: Callable[[RuleBank], dict[str, Any]] | None = None,
    listen: Listener = lambda agent, note: None,
    images: Sequence[Path | str] = (),
    log: Path | str | None = None,
    without: Collection[str] = (),
) -> RuleBank:
    """Mine the Rule Bank of one scenario.

    Parameters
    ----------
    series : Series
        Only its training part is looked at.
    text : str, optional
        What people wrote about the scenario; default is the series' own text.
    brain : Brain, optional
        What the agents think with, see `ape.agents.open_brain`; by default what ``APE_BRAIN_URL`` says, else embedded.
    seed : int
        The same series, text, seed and brain give the same bank.
    folder : Path, optional
        Keeps checkpoints, artefacts, the ledger and ``bank.json``. A folder with checkpoints is resumed.
    hand_over : callable, optional
        Post-training node: takes the bank, answers with a report that has ``accepted`` and ``reason``.
    listen : callable
        Told ``(agent, note)`` as things happen.
    images : sequence of Path
        Picture files of people's own for the visual inspector; the embedded one cannot read them, and says so.
    log : Path, optional
        A log file; where it and the series have times, lines after the training part are left out. Takes the extra
        ``logs``.
    without : collection of str
        Parts of the loop to leave out, to see what each brings: ``pictures``, ``critic`` (the figures of the first
        check decide) or ``check`` (every proposed rule is taken).

    Returns
    -------
    RuleBank
    """
    if unknown := set(without) - set(PARTS):
        raise InputError(f"the loop has no part {sorted(unknown)}", "without", f"leave out any of {', '.join(PARTS)}")
    if text is not None:
        series = replace(series, text=text)
    if folder is None:
        with tempfile.TemporaryDirectory() as passing:
            return mine(series, None, brain, seed, Path(passing), hand_over, listen, images, log, without)
    pictures = [read_picture(Path(image)) for image in images]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    artefacts = Artefacts(folder / "artefacts")
    workbench = Workbench(series=series, artefacts=artefacts)
    mining = Mining(
        series=series,
        workbench=workbench,
        brain=brain or open_brain(seed=seed),
        ledger=Ledger(folder / "ledger.jsonl"),
        seed=seed,
        keep_bank=lambda bank: bank.save(folder / "bank.json"),
        log=NO_LOG if log is None else read_log(Path(log), workbench.series.timestamps),
        pictures=tuple(artefacts.put_bytes(picture, ".png") for picture in pictures),
        hand_over=hand_over,
        listen=listen,
        without=frozenset(without),
    )
    try:
        return run_to_end(_run(mining, folder / CHECKPOINTS))
    except sqlite3.DatabaseError as error:
        where = str(folder / CHECKPOINTS)
        raise InputError(f"the checkpoints cannot be used: {error}", where, "free space, or delete the file") from error


async def _run(mining: Mining, checkpoints: Path) -> RuleBank:
    config: RunnableConfig = {"configurable": {"thread_id": THREAD}}
    async with AsyncSqliteSaver.from_conn_string(str(checkpoints)) as saver:
        graph = build_graph().compile(checkpointer=saver)
        found = await graph.aget_state(config)
        begun = found.created_at is not None
        if begun and not found.tasks:  # `next` leaves out nodes whose writes a kill kept from the next checkpoint
            state = cast(MiningState, found.values)
        else:
            try:
                with recorded(checkpoints.parent, mining.series.fingerprint[:16]) as callbacks:
                    given = None if begun else MiningState()  # None goes on from the last checkpoint
                    config = {**config, "callbacks": callbacks, "run_name": THREAD}
                    await graph.ainvoke(given, config, context=mining, durability="sync")
            finally:  # where a node fails, writes of others may be under way: cut short, they keep the file locked
                others = asyncio.all_tasks() - {asyncio.current_task()}
                await asyncio.gather(*others, return_exceptions=True)
                await saver.conn.rollback()
            state = cast(MiningState, (await graph.aget_state(config)).values)
    if "plan" not in state:
        raise InputError("the checkpoints hold no finished mining", str(checkpoints), "start a new run")
    return bank_of(state, mining)


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end from synchronous code, also where an event loop is running already (notebooks)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[Result | BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return cast(Result, outcome[0])
