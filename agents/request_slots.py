"""Limit the requests that all processes of this machine have in flight to one model server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

from filelock import FileLock, Timeout

from ape.core.errors import InputError

LIMIT_VARIABLE = "APE_BRAIN_REQUESTS"
DEFAULT_LIMIT = 16
PAUSE = 0.05  # seconds between two attempts to get a slot


@contextlib.asynccontextmanager
async def request_slot(server: str, folder: Path) -> AsyncIterator[None]:
    """Wait for one of the server's slots and occupy it.

    Each slot is a locked file in ``folder``. The operating system frees the slots of a process that dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(server.encode()).hexdigest()[:12]
    locks = [FileLock(folder / f"{name}-{number}.lock") for number in range(request_limit())]
    while (slot := _acquire_any(locks)) is None:
        await asyncio.sleep(PAUSE * (0.5 + random.random()))
    try:
        yield
    finally:
        slot.release()


def request_limit() -> int:
    """Return the limit in the environment variable ``APE_BRAIN_REQUESTS``, by default 16."""
    text = os.environ.get(LIMIT_VARIABLE) or str(DEFAULT_LIMIT)
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"'{text[:40]}' is not a number of requests", LIMIT_VARIABLE, "use an integer of at least 1")
    return int(text)


def _acquire_any(locks: list[FileLock]) -> FileLock | None:
    for lock in random.sample(locks, len(locks)):
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            return lock
    return None
