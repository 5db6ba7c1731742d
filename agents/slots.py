"""How many requests a model server has in flight from all processes of this machine together."""

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

LIMIT = "APE_BRAIN_REQUESTS"
DEFAULT = 16
PAUSE = 0.05  # seconds between two looks for a free slot


@contextlib.asynccontextmanager
async def slot(server: str, folder: Path) -> AsyncIterator[None]:
    """Hold one of the server's slots, each a locked file in ``folder``; whoever dies gives its own back."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(server.encode()).hexdigest()[:12]
    locks = [FileLock(folder / f"{name}-{number}.lock") for number in range(limit())]
    while (held := _free(locks)) is None:
        await asyncio.sleep(PAUSE * (0.5 + random.random()))
    try:
        yield
    finally:
        held.release()


def limit() -> int:
    """What ``APE_BRAIN_REQUESTS`` says, else 16."""
    word = os.environ.get(LIMIT) or str(DEFAULT)
    if not word.isdecimal() or int(word) < 1:
        raise InputError(f"'{word[:40]}' is no number of requests", LIMIT, "give a whole number above 0")
    return int(word)


def _free(locks: list[FileLock]) -> FileLock | None:
    for lock in random.sample(locks, len(locks)):
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            return lock
    return None
