"""Measure ``ape batch`` on many series while processes are killed: ``python -m ape.evals.speed.batch --out DIR``.

First, ten generated series are mined with one and with two workers. Then all series are mined. A worker and later the
whole batch are killed with SIGKILL, and the same command is repeated until it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from ape.evals.speed.timing import seconds
from ape.runs.batch import MINED_RESULTS
from ape.runs.packing import unpack

SERIES, POINTS = 500, 5000
KILLED_AT = (1 / 3, 2 / 3)  # share of mined series at which a worker, then the whole batch, is killed
PAUSE = 0.5  # seconds between two checks


def main() -> int:
    """Mine, kill, resume, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.batch", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--series", type=int, default=SERIES, metavar="N", help=f"default: {SERIES}")
    arguments = parser.parse_args()
    data = arguments.out / "series"
    make_series(data, arguments.series)
    per_hour = {workers: ten_series(data, arguments.out / f"few-{workers}", workers) for workers in (1, 2)}
    taken, peak = mine_with_kills(data, arguments.out / "all", arguments.series)
    mined = commits(arguments.out / "all")
    lines = (
        f"{len(mined)} of {arguments.series} series of {POINTS} points mined, each at most {max(mined.values())} times",
        f"{len(mined) / taken * 3600:.0f} per hour with 2 workers, with one worker and then the whole batch killed",
        f"peak memory of all processes {peak:.0f} MiB",
        f"ten series: {per_hour[1]:.0f} per hour with 1 worker, {per_hour[2]:.0f} with 2,"
        f" ratio {per_hour[2] / per_hour[1]:.2f}",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def make_series(folder: Path, count: int, points: int = POINTS) -> None:
    """Write noisy cycles with several harmonics; some have a trend, some have two regimes."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        draw, steps = np.random.default_rng(k), np.arange(points)
        turns = 2 * np.pi * steps / draw.uniform(20, 120)
        values = sum(draw.uniform(0.1, 1) / h * np.sin(h * turns + draw.uniform(0, 6)) for h in (1, 2, 3))
        values = values + draw.uniform(0.01, 0.2) * draw.normal(size=points)
        values = values + (k % 3 == 1) * steps / points + (k % 3 == 2) * 0.5 * (steps // 700 % 2) * values
        np.savez(folder / f"s{k:04d}.npz", values=values, train_end=points // 2)


def ten_series(data: Path, out: Path, workers: int) -> float:
    """Mine the first ten series, and return the number of series per hour."""
    shutil.rmtree(out, ignore_errors=True)
    command = batch_command(f"{data}/s000?.npz", out, workers)
    taken = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    return len(list(out.glob("items/*/bank.json"))) / taken * 3600


def batch_command(series: str, out: Path, workers: int, *, enhance: bool = False) -> list[str]:
    """Return the command that mines a batch, and post-trains and scores it if requested."""
    words = ["batch", series, "--out", str(out), "--workers", str(workers), *(["--enhance"] if enhance else [])]
    return [sys.executable, "-m", "ape.cli.main", *words]


def mine_with_kills(data: Path, out: Path, count: int) -> tuple[float, float]:
    """Mine all series with kills; return the seconds, and the peak memory of all processes together in MiB."""
    shutil.rmtree(out, ignore_errors=True)
    started, peak, kills = time.perf_counter(), 0.0, list(KILLED_AT)
    while True:
        command = batch_command(f"{data}/*.npz", out, 2)
        batch = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        while batch.poll() is None:
            time.sleep(PAUSE)
            members = process_group(batch.pid)
            peak = max(peak, sum(resident(pid) for pid in members))
            if kills and len(list((out / MINED_RESULTS).glob("s*.json"))) >= kills[0] * count:
                if len(kills) == len(KILLED_AT):
                    os.kill(max(members), signal.SIGKILL)  # the youngest process is a worker
                else:
                    os.killpg(batch.pid, signal.SIGKILL)
                kills.pop(0)
        if batch.returncode == 0:
            return time.perf_counter() - started, peak


def process_group(leader: int) -> list[int]:
    """Return the processes of a group, from ``/proc``."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        if int(fields[2]) == leader:
            members.append(int(path.parent.name))
    return members


def resident(pid: int) -> float:
    """Return the memory of a process in MiB, without the memory that it shares with others."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:  # the process has ended
        return 0.0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE") / 2**20


def commits(out: Path) -> Counter[str]:
    """Return how often each mined series was committed."""
    for item in (out / "items").iterdir():
        unpack(item)
    return Counter(
        path.parent.name
        for path in out.glob("items/*/ledger.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
        if json.loads(line)["decision"] == "commit"
    )


if __name__ == "__main__":
    sys.exit(main())
