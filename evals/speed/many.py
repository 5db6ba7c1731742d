"""Measure what a batch of short series costs: ``python -m ape.evals.speed.many --out DIR``.

Time, memory and disk of ``ape batch`` with the embedded brain, and on paper the time and disk of ten thousand series,
which grow with their number. Memory should not; the table says how much it grew.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ape.evals.speed.batch import batch_command, make_series, process_group, resident
from ape.evals.speed.timing import Table
from ape.runs.batch import ITEMS

PAPER = 10_000  # series
PAUSE = 1.0  # seconds between two looks at the memory


def main() -> int:
    """Mine the series, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.many", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--series", type=int, default=1000, metavar="N", help="default: 1000")
    parser.add_argument("--points", type=int, default=1000, metavar="N", help="default: 1000")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--enhance", action="store_true", help="post-train and score as well")
    arguments = parser.parse_args()
    count, out = arguments.series, arguments.out / "batch"
    make_series(arguments.out / "series", count, arguments.points)
    shutil.rmtree(out, ignore_errors=True)
    wall, cpu, peak, growth = mine(str(arguments.out / "series"), out, arguments.workers, enhance=arguments.enhance)
    items = sorted(used(item) for item in (out / ITEMS).iterdir())
    rest = used(out) - sum(items)
    times = PAPER / count
    table = Table({"": "<44", f"{count:,} series": ">16", f"{PAPER:,} on paper": ">18"})
    table.row("enhanced" if arguments.enhance else "mined", f"{len(items):,}", "")
    wall_title = f"wall time with {arguments.workers} workers, minutes"
    table.row(wall_title, f"{wall / 60:.1f}", f"{times * wall / 60:,.0f}")
    table.row("processor time, minutes", f"{cpu / 60:.1f}", f"{times * cpu / 60:,.0f}")
    table.row("processor time of a series, seconds", f"{cpu / count:.2f}", "")
    table.row("peak memory of all processes, MiB", f"{peak:.0f}", "")
    table.row("memory at the end against the first fifth", f"{growth:.2f} times", "")
    table.row("disk of a series, kB: median", f"{statistics.median(items) / 1000:.0f}", "")
    table.row("disk of a series, kB: largest", f"{items[-1] / 1000:.0f}", "")
    table.row("disk of all, MB", f"{(sum(items) + rest) / 1e6:.0f}", f"{times * (sum(items) + rest) / 1e6:,.0f}")
    return 0 if len(items) == count else 1


def mine(series: str, out: Path, workers: int, *, enhance: bool) -> tuple[float, float, float, float]:
    """Mine all series, and post-train and score them if requested.

    Returns
    -------
    wall, cpu : float
        Seconds.
    peak : float
        Memory of all processes together, MiB.
    growth : float
        Median memory of the last fifth of the time, as a multiple of that of the first fifth after the start.
    """
    started, memory = time.perf_counter(), list[float]()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = batch_command(series, out, workers, enhance=enhance)
    batch = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while batch.poll() is None:
        time.sleep(PAUSE)
        if any(out.glob("items/*/bank.json")):  # the workers have started
            memory.append(sum(resident(pid) for pid in process_group(batch.pid)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    fifth = max(1, len(memory) // 5)
    growth = statistics.median(memory[-fifth:]) / statistics.median(memory[:fifth])
    return time.perf_counter() - started, cpu, max(memory), growth


def used(folder: Path) -> int:
    """Return the bytes that a folder takes on the disk, in whole blocks."""
    return sum(path.lstat().st_blocks * 512 for path in [folder, *folder.rglob("*")])


if __name__ == "__main__":
    sys.exit(main())
