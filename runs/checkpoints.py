"""Open the checkpoints of a run, in its folder or in PostgreSQL, and copy them.

SQLite is not safe on a network share, so runs on several machines keep their checkpoints in PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from ape.core.errors import InputError
from ape.core.run_files import CHECKPOINTS
from ape.runs.folder import thread_of
from ape.runs.postgres import open_postgres

THREAD = "run"  # in the folder of a run


def config_of(folder: Path) -> RunnableConfig:
    """Return the configuration that names the checkpoints of a run."""
    return {"configurable": {"thread_id": thread_of(folder) or THREAD}}


def has_checkpoints(folder: Path) -> bool:
    """Return whether a run has checkpoints, or keeps them in PostgreSQL."""
    return thread_of(folder) is not None or (folder / CHECKPOINTS).is_file()


@asynccontextmanager
async def open_checkpoints(folder: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Yield the checkpointer of a run, see `config_of`.

    Raises
    ------
    InputError
        The database cannot be used.
    """
    opened = open_sqlite(folder / CHECKPOINTS) if thread_of(folder) is None else open_postgres()
    async with opened as saver:
        yield saver


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Yield the checkpointer of an SQLite file, which is made if it does not exist."""
    try:
        async with aiosqlite.connect(path) as connection:
            try:
                yield AsyncSqliteSaver(connection)
            finally:
                await connection.rollback()  # an unfinished transaction would keep the file locked
    except sqlite3.DatabaseError as error:
        hint = "free space, or move the file away"
        raise InputError(f"the checkpoints cannot be used: {error}", str(path), hint) from error


async def mining_namespace(saver: BaseCheckpointSaver[Any], folder: Path) -> str:
    """Return the namespace of the mining graph's checkpoints within those of a run; empty if there are none."""
    found = [str(each.config["configurable"]["checkpoint_ns"]) async for each in saver.alist(config_of(folder))]
    return max((namespace for namespace in found if namespace.startswith("mine:")), default="")


async def copy_checkpoints(
    saver: BaseCheckpointSaver[Any], source: Path, target: Path, last: Mapping[str, str]
) -> None:
    """Copy the checkpoints of a run to another one.

    Parameters
    ----------
    saver : BaseCheckpointSaver
        Of the source; it must be able to read the records of all states.
    source, target : Path
        Run folders.
    last : mapping of str to str
        Id of the last checkpoint to copy, by namespace. What was computed after it is left out.
    """
    thread = config_of(target)["configurable"]["thread_id"]
    async with open_checkpoints(target) as new:
        async for each in saver.alist(config_of(source)):
            place = each.config["configurable"]
            identifier, end = place["checkpoint_id"], last[place["checkpoint_ns"]]
            if identifier > end:  # ids are in order
                continue
            parent = each.parent_config["configurable"]["checkpoint_id"] if each.parent_config else None
            copied = await new.aput(
                {"configurable": {**place, "thread_id": thread, "checkpoint_id": parent}},
                each.checkpoint,
                each.metadata,
                each.checkpoint["channel_versions"],
            )
            writes = each.pending_writes or [] if identifier < end else []
            for task in dict.fromkeys(task for task, _, _ in writes):
                values = [(channel, value) for each_task, channel, value in writes if each_task == task]
                await new.aput_writes(copied, values, task)
