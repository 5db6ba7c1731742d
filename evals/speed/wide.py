"""Generate a wide series, run ``ape run`` on it, and measure: ``python -m ape.evals.speed.wide --out DIR``.

The channels come in groups, as those of one machine do; some are constant, some hold a state. The faults in the last
part change one channel, or a whole group. The table has the time and the memory, and the events that were found.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from ape.core.run_files import EVENTS_JSON, SCORES
from ape.evals.metrics import average_precision
from ape.evals.speed.timing import Table

TRAINED = 0.6  # share of the points
DAY = 1440  # samples
LARGEST_GROUP, SMALLEST_GROUP = 24, 5  # channels
NOTHING, STATES = 0.04, 0.08  # share of the channels that are constant, and that hold a state
FEWEST_POINTS = 2000  # so that all faults have room
NEAR = 100  # samples from a fault at which an event still belongs to it
QUANTITIES = ("temperature", "pressure", "flow", "current", "speed", "level", "vibration", "torque")
MACHINES = ("press", "pump", "kiln", "mill", "dryer", "mixer", "chiller", "fan")


@dataclass(frozen=True)
class Fault:
    """A fault in the channels ``channels`` from ``begin`` to ``end`` (exclusive)."""

    kind: str
    begin: int
    end: int
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Wide:
    """A generated series.

    Parameters
    ----------
    values : ndarray, float32 [T, C]
    channels : list of str
    groups : list of list of int
        Columns of the channels that go together.
    faults : list of Fault
        Later than ``train_end``.
    train_end : int
    """

    values: np.ndarray
    channels: list[str]
    groups: list[list[int]]
    faults: list[Fault]
    train_end: int


def generate(channels: int, points: int, seed: int = 0) -> Wide:
    """Generate channels of machines that follow a load each, with faults in the last part."""
    draw = np.random.default_rng(seed)
    values, names, groups = np.zeros((points, channels)), list[str](), list[list[int]]()
    constant, state = max(1, round(NOTHING * channels)), max(1, round(STATES * channels))
    while len(names) < channels - constant - state:
        most = min(LARGEST_GROUP, channels - constant - state - len(names))
        size = int(draw.integers(min(SMALLEST_GROUP, most), most + 1))
        columns = list(range(len(names), len(names) + size))
        values[:, columns] = _machine(draw, points, size)
        machine = f"{MACHINES[len(groups) % len(MACHINES)]}{len(groups) // len(MACHINES) + 1}"
        names += [f"{machine}.{QUANTITIES[k % len(QUANTITIES)]}{k // len(QUANTITIES) + 1}" for k in range(size)]
        groups.append(columns)
    for column in range(len(names), channels):
        steps = draw.random(points) < 2 / DAY
        values[:, column] = np.cumsum(steps) % 4 if column < channels - constant else draw.integers(1, 100)
    names += [f"state{k + 1}" for k in range(state)] + [f"setpoint{k + 1}" for k in range(constant)]
    train_end = int(TRAINED * points)
    faults = _faults(draw, values, groups, train_end)
    return Wide(values.astype(np.float32), names, groups, faults, train_end)


def _machine(draw: np.random.Generator, points: int, size: int) -> np.ndarray:
    """Channels [points, size] that follow a daily load, batches, and slow weather, each with its own lag and noise."""
    time_of = np.arange(points)
    load = 1 + 0.4 * np.sin(2 * np.pi * (time_of / DAY + draw.random()))
    batch = int(draw.integers(60, 240))
    load += 0.3 * ((time_of + draw.integers(batch)) % batch < draw.uniform(0.4, 0.7) * batch)
    weather = lfilter([0.02], [1, -0.995], draw.normal(size=points))
    columns = np.empty((points, size))
    for column in range(size):
        slow = draw.uniform(0.02, 0.5)
        followed = lfilter([slow], [1, slow - 1], np.roll(load, int(draw.integers(0, 6))) - 1) + 1
        gain, level = draw.choice([-1, 1]) * draw.uniform(0.5, 20), draw.uniform(20, 200)
        noise = draw.normal(size=points) * draw.uniform(0.03, 0.15)
        columns[:, column] = level + gain * (followed + draw.uniform(-0.5, 0.5) * weather + noise)
    return columns


def _faults(draw: np.random.Generator, values: np.ndarray, groups: list[list[int]], first: int) -> list[Fault]:
    """Change the values [T, C] by eight faults after ``first``: six of one channel, two of a group."""
    kinds = ("spike", "shift", "stuck", "noise", "drift", "group shift", "group stop", "decoupled")
    room = (len(values) - first) // (len(kinds) + 1)
    faults = []
    for number, kind in enumerate(kinds):
        length = {"spike": 3, "shift": 60, "stuck": 90, "noise": 80, "drift": 160}.get(kind, 70)
        begin = first + room // 2 + number * room + int(draw.integers(room // 3))
        end = begin + length
        group = groups[int(draw.integers(len(groups)))]
        one = (group[int(draw.integers(len(group)))],)
        columns = tuple(group) if kind.startswith("group") else one
        part, spread = values[begin:end][:, columns], values[:first, columns].std(axis=0)
        if kind == "spike":
            part += 6 * spread
        elif kind in ("shift", "group shift"):
            part += 2.5 * spread
        elif kind == "stuck":
            part[:] = part[0]
        elif kind == "noise":
            part += 1.5 * spread * draw.normal(size=part.shape)
        elif kind == "drift":
            part += 3 * spread * np.linspace(0, 1, length)[:, None]
        elif kind == "group stop":
            part[:] = values[:first, columns].min(axis=0) - spread + 0.05 * spread * draw.normal(size=part.shape)
        else:  # it shows another time of day, while the others of its machine continue
            part[:] = values[begin - DAY // 2 : end - DAY // 2][:, columns]
        values[begin:end, columns] = part
        faults.append(Fault(kind, begin, end, columns))
    return faults


def main() -> int:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.wide", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--channels", type=int, default=300, metavar="N", help="default: 300")
    parser.add_argument("--points", type=int, default=20_000, metavar="N", help="default: 20000")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the series; default: 0")
    arguments = parser.parse_args()
    if arguments.points < FEWEST_POINTS or arguments.channels < SMALLEST_GROUP:
        parser.error(f"give at least {FEWEST_POINTS} points and {SMALLEST_GROUP} channels")
    arguments.out.mkdir(parents=True, exist_ok=True)
    made = generate(arguments.channels, arguments.points, arguments.seed)
    data, run = arguments.out / "wide.npz", arguments.out / "run"
    np.savez(data, values=made.values, train_end=made.train_end, channels=np.array(made.channels))
    shutil.rmtree(run, ignore_errors=True)
    started = time.perf_counter()
    code = subprocess.run([sys.executable, "-m", "ape.cli.main", "run", str(data), "--out", str(run)]).returncode
    wall, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    table = Table({f"{arguments.channels} channels of {arguments.points:,} points": "<44", "": ">16"})
    table.row("wall time, seconds", f"{wall:.0f}")
    table.row("processor time, seconds", f"{used.ru_utime + used.ru_stime:.0f}")
    table.row("peak memory, MiB", f"{used.ru_maxrss / 1024:.0f}")
    if code:
        return code
    table.row("run folder, MB", f"{sum(path.stat().st_size for path in run.rglob('*') if path.is_file()) / 1e6:.1f}")
    judge(made, run, table)
    return 0


def judge(made: Wide, run: Path, table: Table) -> None:
    """Add how many faults have an event, and the average precision before and after post-training."""
    events = json.loads((run / EVENTS_JSON).read_text())["events"]
    late = [event for event in events if event["end"] > made.train_end]
    hits = [[event for event in late if _meets(event, fault)] for fault in made.faults]
    others = [event for event in late if not any(_meets(event, fault) for fault in made.faults)]
    table.row("faults found", f"{sum(map(bool, hits))} of {len(made.faults)}")
    named = [
        any(made.channels[c] in _channels(event) for event in found for c in fault.channels)
        for found, fault in zip(hits, made.faults, strict=True)
    ]
    table.row("faults found with a channel at fault named", f"{sum(named)}")
    table.row("other events after the training part", f"{len(others)}")
    table.row("missed", ", ".join(fault.kind for found, fault in zip(hits, made.faults, strict=True) if not found))
    labels = np.zeros(len(made.values), dtype=bool)
    for fault in made.faults:
        labels[fault.begin : fault.end] = True
    scores = pd.read_csv(run / SCORES, usecols=["before", "after"])[made.train_end :].fillna(0.0)
    for name in scores:
        precision = average_precision(labels[made.train_end :], scores[name].to_numpy())
        table.row(f"average precision, {name}", f"{precision:.3f}")


def _meets(event: dict[str, Any], fault: Fault) -> bool:
    return bool(event["start"] < fault.end + NEAR and event["end"] > fault.begin - NEAR)


def _channels(event: dict[str, Any]) -> set[str]:
    return {each["channel"] for each in event["channels"]}


if __name__ == "__main__":
    sys.exit(main())
