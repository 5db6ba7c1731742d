"""Load ``ape api`` with requests over loopback: ``python -m ape.evals.speed.api RUN DATA``.

Asynchronous clients, each with one connection, send rows of a CSV file again and again: small posts to streams, one
stream for each client, and whole files to be scored. The service runs in processes of its own; what is measured is what
the clients see, and beside them how long ``/health`` takes while the service is busy.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np

from ape.evals.speed.timing import Table

HOST, HEADERS = "127.0.0.1", {"Content-Type": "text/csv"}
LONGEST_START = 300.0  # seconds until the service must answer
PATIENCE = 120.0  # seconds for one answer
PAUSE = 0.2  # seconds between looks at ``/health``
FILE = 10_000  # rows of a file


@dataclass
class Load:
    """What clients saw.

    Parameters
    ----------
    seconds : list of float
        From request to answer.
    statuses : Counter
        Answers by status; ``0`` stands for no answer.
    health : list of float
        Seconds that ``/health`` took meanwhile.
    elapsed : float
        Seconds from the first request to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)
    elapsed: float = 0.0


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.api", description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="run folder; streams named load-... are made in it")
    parser.add_argument("data", metavar="DATA", help="CSV file with a header, and times as first column if it has them")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="default: 1 2")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="for each line; default: 20")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], metavar="N", help="default: 1 8")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 10, 60], metavar="N", help="default: 1 10 60")
    arguments = parser.parse_args()
    header, *lines = Path(arguments.data).read_bytes().splitlines(keepends=True)
    table = Table({
        "workers": ">7", "what": "<6", "rows": ">6", "clients": ">7", "requests/s": ">10.1f", "rows/s": ">8.0f",
        "p50 ms": ">7.0f", "p99 ms": ">7.0f", "health p99": ">10.0f", "errors": ">6", "MiB": ">6.0f",
    })  # fmt: skip
    for workers in arguments.workers:
        with served(arguments.run, workers) as (url, process):
            for kind, rows in [*(("stream", rows) for rows in arguments.rows), ("file", min(FILE, len(lines)))]:
                for clients in arguments.clients:
                    paths = [
                        "score" if kind == "file" else f"streams/load-{process.pid}-{rows}-{clients}-{number}"
                        for number in range(clients)
                    ]
                    load = asyncio.run(loaded(url, paths, header, lines, rows, arguments.seconds))
                    good = load.statuses[200]
                    middle, late, health = (
                        1e3 * float(np.quantile(part or [np.nan], share))
                        for part, share in ((load.seconds, 0.5), (load.seconds, 0.99), (load.health, 0.99))
                    )
                    table.row(
                        workers, kind, rows, clients, good / load.elapsed, rows * good / load.elapsed, middle, late,
                        health, load.statuses.total() - good, memory_of(process.pid),
                    )  # fmt: skip
    return 0


@contextmanager
def served(run: str, workers: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start the service; yield the address of the detector and the process."""
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ape.cli.main", "api", run, "--port", str(port), "--quiet"]
    service = subprocess.Popen([*command, "--workers", str(workers)])
    try:
        end = time.monotonic() + LONGEST_START
        while not answers(f"http://{HOST}:{port}/health"):
            if time.monotonic() > end or service.poll() is not None:
                msg = "the service does not answer"
                raise TimeoutError(msg)
            time.sleep(0.2)
        yield f"http://{HOST}:{port}/detectors/{Path(run).resolve().name}", service
    finally:
        service.terminate()
        service.wait(60)


def answers(url: str) -> bool:
    """Return whether a service answers."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


async def loaded(
    url: str, paths: Sequence[str], header: bytes, lines: Sequence[bytes], rows: int, seconds: float
) -> Load:
    """Send rows again and again, from one client for each path at once."""
    load, begun = Load(), time.perf_counter()

    async def client(path: str) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE) as connection:
            for number in count():
                if time.perf_counter() > begun + seconds or (path != "score" and (number + 1) * rows > len(lines)):
                    return
                first = 0 if path == "score" else number * rows
                body, sent = header + b"".join(lines[first : first + rows]), time.perf_counter()
                status = await asked(connection, f"{url}/{path}", body)
                load.statuses[status] += 1
                if status == 200:
                    load.seconds.append(time.perf_counter() - sent)

    async def look() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE) as connection:
            while True:
                sent = time.perf_counter()
                await connection.get(httpx.URL(url).join("/health"))
                load.health.append(time.perf_counter() - sent)
                await asyncio.sleep(PAUSE)

    looking = asyncio.create_task(look())
    await asyncio.gather(*map(client, paths))
    load.elapsed = time.perf_counter() - begun
    looking.cancel()
    return load


async def asked(connection: httpx.AsyncClient, url: str, body: bytes) -> int:
    """Return the status of the answer to a post, whose content must be JSON; 0 without answer."""
    try:
        answer = await connection.post(url, content=body, headers=HEADERS)
        answer.json()
    except (httpx.HTTPError, ValueError):
        return 0
    return answer.status_code


def memory_of(pid: int) -> float:
    """Return the memory of a process and of all that it started, MiB: each page counts once, in equal shares."""
    total, waiting = 0.0, [pid]
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        lines = (process / "smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 2**10
        waiting += map(int, " ".join(path.read_text() for path in process.glob("task/*/children")).split())
    return total


if __name__ == "__main__":
    sys.exit(main())
