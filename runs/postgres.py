"""Keep checkpoints in PostgreSQL, at the URL in ``APE_CHECKPOINTS``; its password reaches no message and no file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from ape.core.blocking import run_blocking
from ape.core.errors import InputError

if TYPE_CHECKING:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg import AsyncConnection
    from psycopg.rows import DictRow

VARIABLE = "APE_CHECKPOINTS"
SCHEMES = ("postgresql", "postgres")
CONNECT_TIMEOUT = 10  # seconds
LOCK = 0x617065  # of PostgreSQL's advisory locks, held by the process that sets up the tables
LOCK_PAUSE = 0.1  # seconds


def is_wanted() -> bool:
    """Return whether new runs keep their checkpoints in PostgreSQL."""
    return bool(os.environ.get(VARIABLE))


def new_thread() -> str | None:
    """Return a name for the checkpoints of a new run in PostgreSQL; None if the run keeps them in its folder."""
    require_server()
    return uuid4().hex if is_wanted() else None


def require_server() -> None:
    """Connect once, if new runs keep their checkpoints in PostgreSQL, and set up the tables.

    Raises
    ------
    InputError
        The URL is not valid, the driver is not installed, or the server cannot be used.
    """

    async def connect() -> None:
        async with open_postgres():
            pass

    if is_wanted():
        run_blocking(connect())


@asynccontextmanager
async def open_postgres() -> AsyncIterator[AsyncPostgresSaver]:
    """Yield the checkpointer; what goes wrong with the server, also inside the block, becomes an `InputError`."""
    try:
        import psycopg
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg.rows import dict_row
    except ImportError as error:
        what = "the driver of PostgreSQL is not installed"
        raise InputError(what, VARIABLE, "pip install 'ape-tsad[postgres]'") from error
    options = _connection_options()
    try:
        async with await psycopg.AsyncConnection.connect(
            **options, autocommit=True, prepare_threshold=0, row_factory=dict_row
        ) as connection:
            saver = AsyncPostgresSaver(connection)
            await _set_up(saver, connection)
            yield saver
    except psycopg.Error as error:
        hint = "start the server or correct the URL, then repeat the command: it resumes"
        raise InputError(f"PostgreSQL cannot be used: {_reason(error, options)}", VARIABLE, hint) from None


def _connection_options() -> dict[str, Any]:
    """Read the URL. Nothing of an invalid one is repeated, since its parts may be those of a password."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    url = os.environ.get(VARIABLE, "")
    if not url:
        what = "the checkpoints of this run are in PostgreSQL"
        raise InputError(what, VARIABLE, "set it to the URL of the server, as when the run was started")
    try:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or url.count("@") > 1 or "@" in url.replace(parts.netloc, "", 1):
            raise ValueError
        options = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except (ValueError, ProgrammingError):
        hint = "give postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with other signs than letters and digits as %XX"
        raise InputError("not the URL of a PostgreSQL server", VARIABLE, hint) from None
    return {"connect_timeout": str(CONNECT_TIMEOUT), **options}


def _reason(error: Exception, options: dict[str, Any]) -> str:
    text = " ".join(str(error).split())[:300]
    secrets = [options.get("password"), os.environ.get("PGPASSWORD")]
    return type(error).__name__ if any(secret and secret in text for secret in secrets) else text


async def _set_up(saver: AsyncPostgresSaver, connection: AsyncConnection[DictRow]) -> None:
    """Create or update the tables; many workers may arrive at once."""
    if await _is_set_up(saver, connection):
        return
    # a session that waits inside the lock's query would block CREATE INDEX CONCURRENTLY, so each one asks again
    while not await _value(connection, f"select pg_try_advisory_lock({LOCK}) as value"):
        await asyncio.sleep(LOCK_PAUSE)
    try:
        await saver.setup()
    finally:
        await connection.execute(f"select pg_advisory_unlock({LOCK})")


async def _is_set_up(saver: AsyncPostgresSaver, connection: AsyncConnection[DictRow]) -> bool:
    if not await _value(connection, "select to_regclass('checkpoint_migrations') is not null as value"):
        return False
    last = await _value(connection, "select max(v) as value from checkpoint_migrations")
    return last is not None and int(str(last)) >= len(saver.MIGRATIONS) - 1


async def _value(connection: AsyncConnection[DictRow], query: str) -> object:
    row = await (await connection.execute(query)).fetchone()
    return None if row is None else row["value"]
