"""Time the start of every command: ``python -m ape.evals.speed.starting``.

Columns: an option that does not exist, and a file that does not exist, until the command has refused it; the least
processor time of some runs. The last line is the time after which ``ape run`` has read and shown a short series; it is
killed then.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ape.evals.speed.batch import make_series
from ape.evals.speed.timing import Table

RUNS = 3
REFUSED = 2  # exit code
WITH_FILE = {  # words that name a file that is missing, by command
    "run": "x.csv", "mine": "x.csv --out o", "train": "x.csv --out o", "enhance": "x.csv --detector d --bank b --out o",
    "score": "x.csv --detector d --out o", "events": "x", "check": "x.csv", "bank show": "x", "bank validate": "x",
    "trace": "x", "batch": "x --out o", "chat": "x.csv", "bench supplement": "x.csv --out o",
    "bench describe": "x", "eval run": "x", "eval report": "x", "eval compare": "x y",
    "api": "d", "export": "d --out o", "alerts": "d",
}  # fmt: skip
WITHOUT_FILE = (
    "watch", "serve", "brain serve", "brain check", "bank schema", "detectors list", "bench list", "bench make",
    "bench gallery", "pretrain", "doctor", "warm-up", "completion",
)  # fmt: skip
SHOWN = b"training part"  # begins the last line of what is read


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.starting", description=__doc__.splitlines()[0])
    parser.parse_args()
    table = Table({"command": "<22", "unknown option s": ">17", "missing file s": ">15"})
    with tempfile.TemporaryDirectory() as folder:
        table.row("--help", f"{refusal(['--help'], folder, 0):.2f}", "")
        for name in (*WITH_FILE, *WITHOUT_FILE):
            missing = WITH_FILE.get(name)
            given = "" if missing is None else f"{refusal([*name.split(), *missing.split()], folder):.2f}"
            table.row(name, f"{refusal([*name.split(), '--no-such-option'], folder):.2f}", given)
        make_series(Path(folder) / "series", 1)
        table.row("run, series shown", f"{shown(Path(folder)):.2f}", "")
    return 0


def refusal(words: Sequence[str], folder: str, code: int = REFUSED) -> float:
    """Return the processor seconds after which a command ends with a code."""
    taken = []
    for _ in range(RUNS):
        before = used()
        done = subprocess.run([sys.executable, "-m", "ape.cli.main", *words], cwd=folder, capture_output=True)
        if done.returncode != code:
            sys.exit(f"ape {' '.join(words)}: exit code {done.returncode}, not {code}")
        taken.append(used() - before)
    return min(taken)


def shown(folder: Path) -> float:
    """Return the processor seconds after which ``ape run`` has shown how it read a series."""
    taken = []
    for number in range(RUNS):
        before, words = used(), ["run", "series/s0000.npz", "--out", f"out-{number}"]
        run = subprocess.Popen([sys.executable, "-u", "-m", "ape.cli.main", *words], cwd=folder, stdout=subprocess.PIPE)
        while run.stdout is not None and (line := run.stdout.readline()) and not line.startswith(SHOWN):
            pass
        run.kill()
        run.wait()
        taken.append(used() - before)
    return min(taken)


def used() -> float:
    """Return the processor seconds of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
