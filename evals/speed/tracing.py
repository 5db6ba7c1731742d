"""What recording spans adds to a mining: ``python -m ape.evals.speed.tracing``.

The same mining with and without its spans, in turns, through the front door.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from ape.graphs import mine
from ape.series import Series, from_array
from ape.series.matrix_profile import warm_up

POINTS, PERIOD = 5000, 50
MODULE = importlib.import_module("ape.graphs.mine")  # the name alone is that of its function


def main() -> int:
    """Mine in turns, and print the ratio."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.tracing", description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=10, metavar="N", help="default: 10")
    turns = parser.parse_args().turns
    steps = np.arange(POINTS)
    values = np.sin(2 * np.pi * steps / PERIOD) + 0.05 * np.random.default_rng(0).normal(size=POINTS)
    series = from_array(values, train_end=POINTS // 2, text="The pump leaks slowly.")
    warm_up(lambda _note: None)
    mined(series)
    both: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(turns):
        for which in ("with", "without") if turn % 2 else ("without", "with"):
            recording = contextlib.nullcontext() if which == "with" else patch.object(MODULE, "recorded", nothing)
            with recording:
                both[which].append(mined(series))
    low, middle, high = np.quantile(np.divide(both["with"], both["without"]), [0.25, 0.5, 0.75])
    seconds = {which: statistics.median(each) for which, each in both.items()}
    sys.stdout.write(
        f"mining {POINTS} points: {seconds['with']:.2f} s with spans, {seconds['without']:.2f} s without;"
        f" ratio {middle:.3f}, middle half {low:.3f} to {high:.3f}\n"
    )
    return 0


@contextlib.contextmanager
def nothing(folder: Path, name: str) -> Iterator[list[Any]]:
    """No callbacks in the place of `ape.runs.tracing.recorded`."""
    yield []


def mined(series: Series) -> float:
    """Seconds of one mining in a fresh folder."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        mine(series, folder=folder)
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
