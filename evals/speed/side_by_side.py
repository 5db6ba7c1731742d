"""Compare APE with other libraries, from file to scores: ``python -m ape.evals.speed.side_by_side --out DIR``.

Each method runs in a process of its own, on the same files and the same split. Time is from the start of the process,
with all imports, to scores on disk. All methods may use all processors. A method of another library that exceeds the
limit of a series is ended, and not started on larger ones; it has at least as long as ``ape run`` took. Every result is
stored in ``DIR/results``, and the same command goes on from there. Needs ``make peers`` and development data
(``APE_DEV_DATA``).
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from ape import __version__
from ape.core.errors import InputError
from ape.core.files import read_json, write_json
from ape.detectors.detector import automatic_window
from ape.evals.devdata import load_case
from ape.evals.metrics import average_precision, vus_pr
from ape.evals.metrics.checks import fill_unscored
from ape.evals.speed.peers import PEERS, SELF_JOIN
from ape.evals.speed.processes import THREADS, run
from ape.evals.speed.side_by_side_table import ONE_CHANNEL, RUN, Result, reason_to_skip, write_tables
from ape.series import from_array

LIMIT = 30.0  # seconds
MINUTES = 14.0  # after which no method is started
# Name of each series, the data set and the name there, and its limit as a multiple of `LIMIT`; the smallest first.
SERIES: dict[str, tuple[str, str, float]] = {
    "walking": ("ucr", "054_DISTORTEDWalkingAceleration5", 1.0),
    "pump": ("skab", "SKAB_valve1_1", 1.0),
    "taxi": ("nab", "realKnownCause__nyc_taxi", 1.0),
    "gait": ("ucr", "022_DISTORTEDGP711MarkerLFM5z4", 1.0),
    "long": ("generated", "", 4.0),
}
LONG, PERIOD = 200_000, 80  # points of the generated series
SCORE, PLAIN = "ape score, after ape run", "ape train and score: the VAE alone"
OURS = (RUN, SCORE, PLAIN)  # in this order: the second uses what the first left


@dataclass(frozen=True)
class Task:
    """A series on disk.

    Parameters
    ----------
    name : str
    file : Path
        CSV file with a header, without times.
    train_end : int or None
    window : int
        The automatic one of APE's backbones.
    labels : ndarray, bool [T]
    channels : int
    limit : float
        Seconds of a method of another library, or more if ``ape run`` takes longer.
    """

    name: str
    file: Path
    train_end: int | None
    window: int
    labels: np.ndarray
    channels: int
    limit: float

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.labels) * self.channels


def generated(points: int = LONG) -> tuple[np.ndarray, int, np.ndarray]:
    """Return noisy cycles [points, 1], the end of their training part, and where five kinds of anomalies are."""
    draw, steps = np.random.default_rng(0), np.arange(points)
    turns = 2 * np.pi * steps / PERIOD
    values = np.sin(turns) + 0.5 * np.sin(2 * turns + 1) + 0.1 * np.sin(steps / 3000) + 0.05 * draw.normal(size=points)
    labels, train_end, length = np.zeros(points, dtype=bool), points // 2, 2 * PERIOD
    for kind in range(5):
        begin = train_end + (2 * kind + 1) * (points - train_end) // 10
        part = slice(begin, begin + length)
        labels[part] = True
        values[part] = (
            values[part][::-1],  # runs backwards
            0.6 * values[part],  # smaller
            values[part] + 0.5,  # shifted
            values[part] + 0.3 * draw.normal(size=length),  # noisier
            values[begin],  # stands still
        )[kind]
    return values[:, None], train_end, labels


def prepare(name: str, folder: Path, limit: float) -> Task:
    """Write the file of a series."""
    data_set, source, times = SERIES[name]
    train_end: int | None
    if data_set == "generated":
        values, train_end, labels = generated()
    else:
        case = load_case(data_set, source)
        values, labels, train_end = case.series.values, case.labels, case.series.train_end
    file = folder / f"{name}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    columns = [f"channel{number}" for number in range(values.shape[1])]
    pd.DataFrame(values, columns=columns).to_csv(file, index=False)
    window = automatic_window(from_array(values, train_end=train_end))
    return Task(name, file, train_end, window, labels, values.shape[1], times * limit)


def commands(method: str, task: Task, out: Path) -> tuple[list[list[str]], Path]:
    """Return the commands of a method, and the file in which they leave the scores.

    Parameters
    ----------
    method : str
    task : Task
    out : Path
        Folder for all methods on this series.
    """
    python, file = [sys.executable, "-m"], str(task.file)
    if method in PEERS:
        train_end, scores = str(task.train_end or len(task.labels)), out / "scores" / f"{slug(method)}.npy"
        return [[*python, "ape.evals.speed.peers", method, file, train_end, str(task.window), str(scores)]], scores
    ape = [*python, "ape.cli.main"]
    until = [] if task.train_end is None else ["--train-end", str(task.train_end)]
    folders = {name: str(out / name) for name in ("run", "rescored", "plain", "plain-scored")}
    train = [*ape, "train", file, *until, "--out", folders["plain"]]
    score = [*ape, "score", file, "--detector"]
    made = {
        RUN: ([[*ape, "run", file, *until, "--out", folders["run"]]], "run"),
        SCORE: ([[*score, f"{folders['run']}/enhanced", "--out", folders["rescored"]]], "rescored"),
        PLAIN: ([train, [*score, folders["plain"], "--out", folders["plain-scored"]]], "plain-scored"),
    }
    lines, folder = made[method]
    return lines, out / folder / "scores.csv"


def measure(planned: Result, task: Task, out: Path, threads: int) -> Result:
    """Run a method on a series."""
    method = planned.method
    lines, file = commands(method, task, out)
    for line in lines:
        if method in OURS:
            shutil.rmtree(line[-1], ignore_errors=True)  # else a run that was interrupted would go on
    for folder in ("scores", "logs"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    cost = run(lines, planned.limit or math.inf, threads, out / "logs" / f"{slug(method)}.txt")
    result = replace(planned, **asdict(cost))
    if cost.failed:
        return result
    scores = np.load(file) if file.suffix == ".npy" else pd.read_csv(file).iloc[:, -1].to_numpy()
    test = slice(task.train_end, None)
    values = fill_unscored(np.where(np.isinf(scores), np.nan, scores))[test]
    return replace(result, ap=average_precision(task.labels[test], values), vus=vus_pr(task.labels[test], values))


def described(method: str, task: Task, results: Sequence[Result]) -> Result:
    """Return a result without figures."""
    if method in OURS:
        return Result(task.name, task.size, method, __version__, "defaults", None)
    peer = PEERS[method]
    ours = [result.seconds for result in results if result.method == RUN and result.series == task.name]
    limit = max([task.limit, *ours])
    return Result(task.name, task.size, method, metadata.version(peer.package), peer.settings, limit)


def slug(method: str) -> str:
    """Return a file name for a method."""
    return "".join(character if character.isalnum() else "-" for character in method.lower())


def measure_missing(task: Task, methods: Sequence[str], out: Path, end: float, results: list[Result]) -> int:
    """Append the results of a series, of which those on disk are not measured again; return how many are missing.

    Parameters
    ----------
    task : Task
    methods : sequence of str
    out : Path
    end : float
        Time, as of `time.monotonic`, after which no method is started.
    results : list of Result
        Of the series before.
    """
    missing = 0
    for method in methods:
        stored = out / "results" / task.name / f"{slug(method)}.json"
        if stored.exists():
            results.append(Result(**read_json(stored, "result")))
            continue
        peer, planned = PEERS.get(method), described(method, task, results)
        reason = ONE_CHANNEL if peer and task.channels > 1 and not peer.channels else ""
        reason = reason or (reason_to_skip(results, planned, peer.calls) if peer else "")
        if not reason and time.monotonic() > end:
            missing += 1
            continue
        threads = len(os.sched_getaffinity(0))
        folder = out / "series" / task.name
        result = replace(planned, failed=reason) if reason else measure(planned, task, folder, threads)
        write_json(stored, asdict(result))
        quality = result.failed or f"AP {result.ap:.3f}"
        sys.stdout.write(f"{task.name:<10}{method:<36}{result.seconds:>7.1f} s  {quality}\n")
        sys.stdout.flush()
        results.append(result)
    return missing


def main() -> int:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.side_by_side", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--series", nargs="*", choices=SERIES, default=list(SERIES), help="default: all")
    methods = [*OURS, SELF_JOIN, *(name for name in PEERS if name != SELF_JOIN)]
    parser.add_argument("--methods", nargs="*", choices=methods, default=methods, metavar="NAME", help="default: all")
    parser.add_argument(
        "--limit", type=float, default=LIMIT, metavar="SECONDS", help=f"of a method on a series; default: {LIMIT:g}"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        metavar="N",
        help=f"after which nothing is started; default: {MINUTES:g}",
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the method that runs is ended as well
    for peer in PEERS.values():
        try:
            metadata.version(peer.package)
        except metadata.PackageNotFoundError:
            sys.stderr.write(f"no {peer.package} here: make peers, then .venv-peers/bin/python\n")
            return 2
    end, missing, results = time.monotonic() + 60 * arguments.minutes, 0, list[Result]()
    try:
        for name in arguments.series:
            task = prepare(name, arguments.out / "files", arguments.limit)
            missing += measure_missing(task, arguments.methods, arguments.out, end, results)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    write_tables(results, about(), arguments.out)
    sys.stdout.write(f"tables: {arguments.out / 'side_by_side.md'} and .csv\n")
    if missing:
        sys.stdout.write(f"{missing} results are missing: repeat the command\n")
    return 0


def about() -> dict[str, str]:
    """Return what the tables say of the machine."""
    libraries, processors = ("numpy", "torch", "numba", "scikit-learn"), len(os.sched_getaffinity(0))
    return {
        "machine": f"{platform.machine()}, {processors} processors for every method ({', '.join(THREADS)})",
        "load": "the processors that other programs used meanwhile are in the second table",
        "libraries": ", ".join(f"{name} {metadata.version(name)}" for name in libraries),
    }


if __name__ == "__main__":
    sys.exit(main())
