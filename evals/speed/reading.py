"""Time reading large files with `ape.series.load` and with pandas: ``python -m ape.evals.speed.reading``.

pandas parses the times too. Each reading has a process of its own, and the two take turns. The memory is the peak of
the process minus what it had before the call; the pages of the file that APE maps count.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ape.evals.speed.timing import Table, seconds
from ape.series import load

ROWS, TURNS = 10_000_000, 3
CHANNELS = 4
NAMES = {"time and value": True, "4 channels": False}  # whether the first column has the times


class Cost(NamedTuple):
    """Seconds of one call, and MiB that its process had at most besides those before the call."""

    seconds: float
    memory: float


def main() -> int:
    """Write the files, read them in turns, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.reading", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"default: {ROWS}")
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"default: {TURNS}")
    arguments = parser.parse_args()
    sys.stdout.write(f"{arguments.rows} rows, medians of {arguments.turns} readings; ratios are ours / pandas\n")
    table = Table({
        "columns": "<14", "file": "<7", "ours s": ">7.2f", "pandas s": ">8.2f", "ratio": ">5.2f",
        "ours MiB": ">8.0f", "pandas MiB": ">10.0f", "memory ratio": ">12.2f",
    })  # fmt: skip
    for name, timed in NAMES.items():
        for suffix, write in (("csv", write_csv), ("parquet", pq.write_table)):
            with TemporaryDirectory() as folder:
                path = Path(folder) / f"series.{suffix}"
                write(rows(arguments.rows, timed), path)
                ours, pandas = (medians(taken) for taken in in_turns((read, read_pandas), path, arguments.turns))
            table.row(
                name, suffix, ours.seconds, pandas.seconds, ours.seconds / pandas.seconds,
                ours.memory, pandas.memory, ours.memory / pandas.memory,
            )  # fmt: skip
    return 0


def rows(count: int, timed: bool) -> pa.Table:
    """Return noisy waves with four decimals: one with a time for each second, or several without times."""
    steps, random = np.arange(count), np.random.default_rng(0)
    waves = [
        np.round(np.sin(steps / (500 + k)) + 0.1 * random.standard_normal(count), 4)
        for k in range(1 if timed else CHANNELS)
    ]
    if timed:
        return pa.table({"time": np.datetime64("2020-01-01", "s") + steps, "value": waves[0]})
    return pa.table({f"channel{k}": wave for k, wave in enumerate(waves)})


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a CSV file with times such as 2020-01-31 12:00:00."""
    if "time" in table.column_names:
        table = table.set_column(0, "time", pc.strftime(table["time"], "%Y-%m-%d %H:%M:%S"))
    pa_csv.write_csv(table, path, pa_csv.WriteOptions(quoting_style="none"))


def read(path: Path) -> None:
    """Read a file as a series."""
    load(path, train_end="50%")


def read_pandas(path: Path) -> None:
    """Read a file as a frame with times."""
    if path.suffix == ".csv":
        with path.open() as file:
            timed = file.readline().startswith("time")
        pd.read_csv(path, parse_dates=["time"] if timed else None)
    else:
        pd.read_parquet(path)


def in_turns(calls: tuple[Callable[[Path], None], ...], path: Path, turns: int) -> list[list[Cost]]:
    """Call each function in processes of its own, in turns; return the costs of each."""
    context = multiprocessing.get_context("spawn")
    taken: list[list[Cost]] = [[] for _ in calls]
    for _ in range(turns):
        for call, costs in zip(calls, taken, strict=True):
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                costs.append(pool.submit(measure, call, path).result())
    return taken


def measure(call: Callable[[Path], None], path: Path) -> Cost:
    """Return the cost of one call."""
    before = memory("VmRSS")
    return Cost(seconds(lambda: call(path)), memory("VmHWM") - before)


def memory(what: str) -> float:
    """Return the memory of this process now (``VmRSS``) or at most so far (``VmHWM``) in MiB, from ``/proc``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def medians(costs: list[Cost]) -> Cost:
    """Return the medians."""
    return Cost(*(statistics.median(each) for each in zip(*costs, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
