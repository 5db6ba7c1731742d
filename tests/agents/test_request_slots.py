"""Request slots: the limit holds over several processes, and a dead process frees its slots."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from ape.agents.request_slots import LIMIT_VARIABLE, request_slot
from ape.core.errors import InputError

OCCUPY = """
import asyncio, sys
from pathlib import Path
from ape.agents.request_slots import request_slot
async def occupy():
    async with request_slot("http://a", Path(sys.argv[1])):
        print("occupied", flush=True)
        await asyncio.sleep(60)
asyncio.run(occupy())
"""


def occupy_five_times(folder: Path, process: int) -> int:
    """Request five slots at once; return the largest number of slots occupied by all processes."""

    async def occupy(request: int) -> int:
        async with request_slot("http://a", folder):
            (folder / f"{process}-{request}.in").touch()
            await asyncio.sleep(0.02)
            occupied = len(list(folder.glob("*.in")))
            (folder / f"{process}-{request}.in").unlink()
            return occupied

    async def occupy_all() -> int:
        return max(await asyncio.gather(*(occupy(request) for request in range(5))))

    return asyncio.run(occupy_all())


def test_processes_share_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT_VARIABLE, "2")
    with ProcessPoolExecutor(3) as pool:
        occupied = list(pool.map(occupy_five_times, [tmp_path] * 3, range(3)))
    assert max(occupied) == 2


@pytest.mark.extended
def test_killed_process_frees_its_slot(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT_VARIABLE, "1")
    process = subprocess.Popen([sys.executable, "-c", OCCUPY, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "occupied\n"

    async def request(seconds: float) -> None:
        async with asyncio.timeout(seconds), request_slot("http://a", tmp_path):
            pass

    async def time_out() -> None:
        with pytest.raises(TimeoutError):
            await request(0.3)
        async with request_slot("http://b", tmp_path):  # another server has its own slots
            pass

    asyncio.run(time_out())
    process.kill()
    process.wait()
    asyncio.run(request(20))


@pytest.mark.parametrize("limit", ["0", "many", "-3"])
def test_invalid_limit_is_refused(tmp_path, monkeypatch, limit):
    monkeypatch.setenv(LIMIT_VARIABLE, limit)

    async def request() -> None:
        async with request_slot("http://a", tmp_path):
            pass

    with pytest.raises(InputError, match=LIMIT_VARIABLE):
        asyncio.run(request())
