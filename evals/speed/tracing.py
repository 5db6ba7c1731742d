"""Time mining with and without the recording of spans: ``python -m ape.evals.speed.tracing``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from ape.evals.speed.timing import seconds_in_turns
from ape.runs import execution
from ape.runs.folder import Request, Run
from ape.series import Series, from_array

POINTS, PERIOD = 5000, 50
TURNS = 10


def main() -> int:
    """Mine in turns, and print the ratio."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.tracing", description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"default: {TURNS}")
    turns = parser.parse_args().turns
    steps = np.arange(POINTS)
    values = np.sin(2 * np.pi * steps / PERIOD) + 0.05 * np.random.default_rng(0).normal(size=POINTS)
    series = from_array(values, train_end=POINTS // 2, text="The pump leaks slowly.")

    def without_spans() -> None:
        with patch.object(execution, "record_spans", no_callbacks):
            mine(series)

    calls = {"with": lambda: mine(series), "without": without_spans}
    taken = seconds_in_turns(calls, max_runs=turns, enough=float("inf"))
    low, middle, high = np.quantile(np.divide(taken["with"], taken["without"]), [0.25, 0.5, 0.75])
    sys.stdout.write(
        f"mining {POINTS} points: {np.median(taken['with']):.2f} s with spans,"
        f" {np.median(taken['without']):.2f} s without; ratio {middle:.3f}, middle half {low:.3f} to {high:.3f}\n"
    )
    return 0


@contextlib.contextmanager
def no_callbacks(folder: Path, name: str) -> Iterator[list[Any]]:
    """Replace `ape.runs.tracing.record_spans`."""
    yield []


def mine(series: Series) -> None:
    """Mine into a new run folder."""
    with TemporaryDirectory() as folder:
        execution.execute(Run.create(Path(folder) / "run", Request("mine", "wave.npz"), series))


if __name__ == "__main__":
    sys.exit(main())
