"""Requests in flight: never more than the limit, from however many processes, and none lost with a dead one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from ape.agents.slots import LIMIT, slot
from ape.core.errors import InputError

HOLD = """
import asyncio, sys
from pathlib import Path
from ape.agents.slots import slot
async def hold():
    async with slot("http://a", Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.sleep(60)
asyncio.run(hold())
"""


def busy(folder: Path, number: int) -> int:
    """Ask five times side by side; the most that any process was seen to hold at once."""

    async def one(k: int) -> int:
        async with slot("http://a", folder):
            (folder / f"{number}-{k}.in").touch()
            await asyncio.sleep(0.02)
            seen = len(list(folder.glob("*.in")))
            (folder / f"{number}-{k}.in").unlink()
            return seen

    async def all_of_them() -> int:
        return max(await asyncio.gather(*(one(k) for k in range(5))))

    return asyncio.run(all_of_them())


def test_processes_together_keep_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "2")
    with ProcessPoolExecutor(3) as pool:
        seen = list(pool.map(busy, [tmp_path] * 3, range(3)))
    assert max(seen) == 2


def test_who_dies_gives_its_slot_back(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "1")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"

    async def get() -> None:
        async with asyncio.timeout(20):
            async with slot("http://a", tmp_path):
                pass

    async def wait_in_vain() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                async with slot("http://a", tmp_path):
                    pass
        async with slot("http://b", tmp_path):  # another server has its own
            pass

    asyncio.run(wait_in_vain())
    holder.kill()
    holder.wait()
    asyncio.run(get())


@pytest.mark.parametrize("word", ["0", "many", "-3"])
def test_a_limit_that_is_none_is_refused(tmp_path, monkeypatch, word):
    monkeypatch.setenv(LIMIT, word)

    async def ask() -> None:
        async with slot("http://a", tmp_path):
            pass

    with pytest.raises(InputError, match=LIMIT):
        asyncio.run(ask())
