"""Load ``ape api`` with requests over loopback: ``python -m ape.evals.speed.api RUN DATA``.

Clients, each a thread with one connection, send the first rows of a CSV file again and again. The service runs in
processes of its own; what is measured is what the clients see.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ape.evals.speed.timing import Table

HOST, TYPE = "127.0.0.1", "text/csv"
LONGEST_START = 300.0  # seconds until the service must answer
PATIENCE = 120.0  # seconds for one answer


@dataclass(frozen=True)
class Load:
    """What clients saw.

    Parameters
    ----------
    seconds : ndarray [n]
        From request to answer.
    statuses : Counter
        Answers by status; ``0`` stands for no answer.
    elapsed : float
        Seconds from the first request to the last answer.
    """

    seconds: np.ndarray
    statuses: Counter[int]
    elapsed: float


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.api", description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument("data", metavar="DATA", help="CSV file with a header")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="for each line; default: 20")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 8], metavar="N", help="default: 1 2 8")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 600], metavar="N", help="default: 100 600")
    arguments = parser.parse_args()
    lines = Path(arguments.data).read_bytes().splitlines(keepends=True)
    name = Path(arguments.run).resolve().name
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ape.cli.main", "api", arguments.run, "--port", str(port), "--quiet"]
    service = subprocess.Popen([*command, "--workers", str(arguments.workers)])
    try:
        wait_for(port)
        table = Table({
            "rows": "<5", "clients": ">7d", "requests": ">8d", "rows/s": ">8.0f", "p50 s": ">7.3f", "p99 s": ">7.3f",
            "errors": ">6d", "MiB": ">6.0f",
        })  # fmt: skip
        for rows in arguments.rows:
            body = b"".join(lines[: rows + 1])
            for clients in arguments.clients:
                load = loaded(port, f"/detectors/{name}/score", body, clients, arguments.seconds)
                good = load.statuses[200]
                middle, late = np.quantile(load.seconds, [0.5, 0.99]) if len(load.seconds) else (np.nan, np.nan)
                errors = load.statuses.total() - good
                table.row(rows, clients, good, rows * good / load.elapsed, middle, late, errors, memory_of(service.pid))
    finally:
        service.terminate()
        service.wait(60)
    return 0


def wait_for(port: int) -> None:
    """Wait until the service answers."""
    end = time.monotonic() + LONGEST_START
    while asked(http.client.HTTPConnection(HOST, port, timeout=5), "GET", "/health") != 200:
        if time.monotonic() > end:
            msg = "the service does not answer"
            raise TimeoutError(msg)
        time.sleep(0.2)


def loaded(port: int, path: str, body: bytes, clients: int, seconds: float) -> Load:
    """Send a body again and again, from several clients at once."""
    begun = time.monotonic()

    def client(_: int) -> tuple[list[float], Counter[int]]:
        taken, statuses = list[float](), Counter[int]()
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        while time.monotonic() < begun + seconds:
            sent = time.perf_counter()
            status = asked(connection, "POST", path, body)
            statuses[status] += 1
            if status == 200:
                taken.append(time.perf_counter() - sent)
        connection.close()
        return taken, statuses

    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(client, range(clients)))
    elapsed = time.monotonic() - begun
    return Load(np.concatenate([taken for taken, _ in found]), sum((each for _, each in found), Counter()), elapsed)


def asked(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> int:
    """Return the status of the answer to a request, whose content must be JSON; 0 without answer."""
    try:
        connection.request(method, path, body, {"Content-Type": TYPE})
        answer = connection.getresponse()
        json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        connection.close()
        return 0
    return answer.status


def memory_of(pid: int) -> float:
    """Return the resident memory of a process and of all that it started, MiB; shared pages count in each."""
    total, waiting = 0.0, [pid]
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        total += int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        waiting += map(int, " ".join(path.read_text() for path in process.glob("task/*/children")).split())
    return total


if __name__ == "__main__":
    sys.exit(main())
