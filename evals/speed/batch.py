"""Unattended mining of many series, with kills in the middle: ``python -m ape.evals.speed.batch --out DIR``.

``ape batch`` in processes of its own mines generated series: first a few with one and with two workers, then all of
them, while a worker and then the whole batch are killed with SIGKILL and the same call is given again.
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

POINTS, TRAIN_END = 5000, 2500
KILLED = (1 / 3, 2 / 3)  # of the series, when a worker and when everything is killed
PAUSE = 0.5  # seconds between two looks


def main() -> int:
    """Mine, kill, go on, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.batch", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--series", type=int, default=500, metavar="N", help="default: 500")
    arguments = parser.parse_args()
    data = arguments.out / "series"
    make(data, arguments.series)
    speeds = {}
    for workers in (1, 2):
        few = arguments.out / f"few-{workers}"
        shutil.rmtree(few, ignore_errors=True)
        began = time.perf_counter()
        subprocess.run(line(f"{data}/s000?.npz", few, workers), check=True, stdout=subprocess.DEVNULL)
        speeds[workers] = len(list(few.glob("items/*/bank.json"))) / (time.perf_counter() - began) * 3600
    seconds, peak = with_kills(data, arguments.out / "all", arguments.series)
    commits = Counter(
        path.parent.name
        for path in (arguments.out / "all").glob("items/*/ledger.jsonl")
        for entry in path.read_text(encoding="utf-8").splitlines()
        if json.loads(entry)["decision"] == "commit"
    )
    most, ratio = max(commits.values()), speeds[2] / speeds[1]
    lines = (
        f"{len(commits)} of {arguments.series} series of {POINTS} points mined, {most} times at most",
        f"{len(commits) / seconds * 3600:.0f} an hour with 2 workers, a worker and then the whole killed in between",
        f"peak memory of all processes {peak:.0f} MiB",
        f"ten series: {speeds[1]:.0f} an hour with 1 worker, {speeds[2]:.0f} with 2: {ratio:.2f} times",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def make(folder: Path, count: int) -> None:
    """Noisy cycles of several harmonics, each of its own period and noise, some with a trend or with two regimes."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        draw, steps = np.random.default_rng(k), np.arange(POINTS)
        turns = 2 * np.pi * steps / draw.uniform(20, 120)
        values = sum(draw.uniform(0.1, 1) / h * np.sin(h * turns + draw.uniform(0, 6)) for h in (1, 2, 3))
        values = values + draw.uniform(0.01, 0.2) * draw.normal(size=POINTS)
        values = values + (k % 3 == 1) * steps / POINTS + (k % 3 == 2) * 0.5 * (steps // 700 % 2) * values
        np.savez(folder / f"s{k:04d}.npz", values=values, train_end=TRAIN_END)


def line(series: str, out: Path, workers: int) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "ape.cli.main", "batch", series, "--out", str(out), "--workers", str(workers)]


def with_kills(data: Path, out: Path, count: int) -> tuple[float, float]:
    """Seconds that all series took, and the most MiB that the processes of the batch held together."""
    shutil.rmtree(out, ignore_errors=True)
    began, peak, kills = time.perf_counter(), 0.0, list(KILLED)
    while True:
        batch = subprocess.Popen(line(f"{data}/*.npz", out, 2), stdout=subprocess.DEVNULL, start_new_session=True)
        while batch.poll() is None:
            time.sleep(PAUSE)
            members = group(batch.pid)
            peak = max(peak, sum(resident(pid) for pid in members))
            if kills and len(list((out / "results").glob("s*.json"))) >= kills[0] * count:
                if len(kills) == len(KILLED):
                    os.kill(max(members), signal.SIGKILL)  # the youngest is a worker
                else:
                    os.killpg(batch.pid, signal.SIGKILL)
                kills.pop(0)
        if batch.returncode == 0:
            return time.perf_counter() - began, peak


def group(leader: int) -> list[int]:
    """Processes of a group, from ``/proc``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader:
            found.append(int(path.parent.name))
    return found


def resident(pid: int) -> float:
    """Memory of a process of its own, in MiB: what it shares with others is not counted."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0.0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
