"""Open the checkpoints of a run, in its folder or in PostgreSQL, and copy them.

SQLite is not safe on a network share, so runs on several machines keep their checkpoints in PostgreSQL.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast, get_type_hints

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from pydantic import TypeAdapter

from ape.core.checksums import require_unchanged
from ape.core.errors import InputError
from ape.core.files import write_bytes
from ape.core.limits import REMEDIES, remedy
from ape.core.run_files import CHECKPOINTS
from ape.graphs.state import MiningState, RunState
from ape.runs.folder import thread_of, update_record
from ape.runs.postgres import open_postgres

DAMAGED = (ValueError, TypeError, KeyError, AttributeError, IndexError, EOFError, NotImplementedError)
THREAD = "run"  # in the folder of a run
END = "~"  # after all ids
LITTLE = 2**20  # bytes; SQLite needs several pages for a transaction


def config_of(folder: Path) -> RunnableConfig:
    """Return the configuration that names the checkpoints of a run."""
    return {"configurable": {"thread_id": thread_of(folder) or THREAD}}


def are_in_postgres(folder: Path) -> bool:
    """Return whether a run keeps its checkpoints in PostgreSQL."""
    return thread_of(folder) is not None


def has_checkpoints(folder: Path) -> bool:
    """Return whether a run has checkpoints, or keeps them in PostgreSQL."""
    return are_in_postgres(folder) or (folder / CHECKPOINTS).is_file()


@asynccontextmanager
async def open_checkpoints(folder: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Yield the checkpointer of a run, see `config_of`.

    Raises
    ------
    InputError
        The database cannot be used.
    """
    opened = open_postgres() if are_in_postgres(folder) else open_sqlite(folder / CHECKPOINTS)
    async with opened as saver:
        yield saver


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Yield the checkpointer of an SQLite file, which is made if it does not exist."""
    require_unchanged(path)
    try:
        async with _CheckedSaver.from_conn_string(str(path)) as saver:
            try:
                yield saver
            finally:
                await saver.conn.rollback()  # an unfinished transaction would keep the file locked
    except sqlite3.DatabaseError as error:
        why, hint = _reason(error, path)
        raise InputError(f"the checkpoints cannot be used: {why}", str(path), hint) from error


def _reason(error: sqlite3.DatabaseError, path: Path) -> tuple[str, str]:
    """Return what is wrong and what to do about it; SQLite's own words leave out why it cannot read or write."""
    code, free = getattr(error, "sqlite_errorcode", 0) & 0xFF, os.statvfs(path.parent)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) and free.f_bavail * free.f_frsize < LITTLE:
        return os.strerror(errno.ENOSPC), REMEDIES[errno.ENOSPC]
    if code == sqlite3.SQLITE_READONLY:
        return str(error), REMEDIES[errno.EACCES]
    if code == sqlite3.SQLITE_CANTOPEN:
        try:
            path.open("ab").close()
        except OSError as why:
            return str(why.strerror), remedy(why)
    return str(error), "free space, or start a new run"


class _CheckedSaver(AsyncSqliteSaver):
    """Checkpoints in SQLite; a row that is damaged is refused."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint of a configuration."""
        try:
            return _checked(await super().aget_tuple(config))
        except DAMAGED as error:
            raise _damaged(error) from error

    async def alist(self, *arguments: Any, **options: Any) -> AsyncIterator[CheckpointTuple]:
        """Yield the checkpoints that match."""
        try:
            async for each in super().alist(*arguments, **options):
                yield cast(CheckpointTuple, _checked(each))
        except DAMAGED as error:
            raise _damaged(error) from error


def _checked(found: CheckpointTuple | None) -> CheckpointTuple | None:
    """Return a checkpoint if it has the parts that all have; raise a `ValueError` otherwise."""
    if found is None:
        return None
    checkpoint, metadata = found.checkpoint, found.metadata
    parts = ("channel_values", "channel_versions", "versions_seen")
    if not isinstance(checkpoint, dict) or not isinstance(metadata, dict):
        msg = "a checkpoint is no object"
        raise ValueError(msg)
    if not isinstance(checkpoint.get("id"), str) or not all(isinstance(checkpoint.get(part), dict) for part in parts):
        msg = "a checkpoint has no state"
        raise ValueError(msg)
    for name, value in checkpoint["channel_values"].items():
        if name in _kinds():
            _kinds()[name].validate_python(value, strict=True)
    return found


def _damaged(error: Exception) -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError(f"{type(error).__name__}: {error}"[:200])


@cache
def _kinds() -> dict[str, TypeAdapter[Any]]:
    """Return what the values of the states of a run may be, by their names."""
    hints = {**get_type_hints(MiningState), **get_type_hints(RunState)}
    return {name: TypeAdapter(hint) for name, hint in hints.items()}


async def mining_namespace(saver: BaseCheckpointSaver[Any], folder: Path) -> str:
    """Return the namespace of the mining graph's checkpoints within those of a run; empty if there are none."""
    found = [str(each.config["configurable"]["checkpoint_ns"]) async for each in saver.alist(config_of(folder))]
    return max((namespace for namespace in found if namespace.startswith("mine:")), default="")


async def copy_checkpoints(
    saver: BaseCheckpointSaver[Any],
    source: Path,
    new: BaseCheckpointSaver[Any],
    thread: str,
    last: Mapping[str, str] | None = None,
) -> None:
    """Copy the checkpoints of a run.

    Parameters
    ----------
    saver : BaseCheckpointSaver
        Of the source; it must be able to read the records of all states.
    source : Path
        Run folder.
    new : BaseCheckpointSaver
        Where the copy is put.
    thread : str
        Name of the copy.
    last : mapping of str to str, optional
        Id of the last checkpoint to copy, by namespace. What was computed after it is left out. Default: copy all.
    """
    async for each in saver.alist(config_of(source)):
        place = each.config["configurable"]
        identifier = place["checkpoint_id"]
        end = END if last is None else last[place["checkpoint_ns"]]
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


async def move_into_folder(saver: BaseCheckpointSaver[Any], folder: Path) -> None:
    """Move the checkpoints of a finished run from PostgreSQL into its folder; ``saver`` is as in `copy_checkpoints`."""
    thread = config_of(folder)["configurable"]["thread_id"]
    with tempfile.TemporaryDirectory() as local:  # SQLite is not safe on a network share, a finished file is
        path = Path(local) / CHECKPOINTS
        async with open_sqlite(path) as new:
            await copy_checkpoints(saver, folder, new, THREAD)
        write_bytes(folder / CHECKPOINTS, path.read_bytes())
    update_record(folder, thread=None)
    await saver.adelete_thread(thread)
