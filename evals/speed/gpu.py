"""Measure APE on a GPU, in 8 minutes at most: ``python -m ape.evals.speed.gpu --out DIR``.

Backbones are trained on up to 256 series one by one and together, post-training and scoring are timed on the GPU and on
one thread of the CPU, and a batch of 250 series is mined, trained, post-trained and scored. Each part has a limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from ape.core.errors import InputError
from ape.evals.speed.batch import batch_command, make_series
from ape.evals.speed.timing import seconds
from ape.runs.batch import ITEMS

SERIES, POINTS = 250, 5000
SPEED = (sys.executable, "-m")
PARTS = (  # what is measured, seconds at most, command
    ("many series together", 90, (*SPEED, "ape.evals.speed.together", "vae", "--device", "cuda")),
    ("one series, GPU", 45, (*SPEED, "ape.evals.speed.posttraining", "vae", "--device", "cuda", "--points", "100000")),
    ("one series, CPU", 45, (*SPEED, "ape.evals.speed.posttraining", "vae", "--points", "10000")),
)
BATCH_LIMIT = 300  # seconds


def main() -> int:
    """Print what each part prints, and how long it took."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.stderr.write(f"{InputError('PyTorch finds no GPU', 'python -m ape.evals.speed.gpu', 'run it on a GPU')}\n")
        return 2
    sys.stdout.write(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {os.cpu_count()} processors\n")
    for title, limit, command in PARTS:
        run(title, limit, command)
    series, out = arguments.out / "series", arguments.out / "batch"
    make_series(series, SERIES, POINTS)
    run(f"batch of {SERIES}", BATCH_LIMIT, [*batch_command(str(series), out, os.cpu_count() or 1), "--enhance"])
    enhanced = len(list(out.glob(f"{ITEMS}/*/events.csv")))
    sys.stdout.write(f"{enhanced} of {SERIES} series enhanced\n")
    return 0


def run(title: str, limit: float, command: Sequence[str]) -> None:
    """Run a command, and print how long it took, or that it reached its limit."""
    sys.stdout.write(f"\n{title}\n")
    sys.stdout.flush()
    ended = [False]

    def call() -> None:
        try:
            ended[0] = subprocess.run(command, timeout=limit, check=False).returncode == 0
        except subprocess.TimeoutExpired:
            sys.stdout.write(f"stopped at its limit of {limit} s\n")

    taken = seconds(call)
    sys.stdout.write(f"{title}: {taken:.0f} s{'' if ended[0] else ', not finished'}\n")


if __name__ == "__main__":
    sys.exit(main())
