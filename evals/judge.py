"""How well the scores of a finished run find events that are known: ``python -m ape.evals.judge RUN --event B E``.

The labels come from outside, after the run has ended; nothing in a run reads them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.evals.metrics import average_precision
from ape.runs.folder import open_folder


def main() -> int:
    """Print the average precision of every score in the run folder, after ``train_end``."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.judge", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that 'ape run' left")
    parser.add_argument(
        "--event", nargs=2, type=int, action="append", required=True, metavar=("BEGIN", "END"),
        help="anomalous positions, END exclusive; may be repeated",
    )  # fmt: skip
    arguments = parser.parse_args()
    try:
        for name, value in judge(arguments.run, arguments.event).items():
            sys.stdout.write(f"{name}\taverage precision {value:.3f}\n")
    except InputError as error:
        sys.stderr.write(f"judge: {error}\n")
        return 2
    return 0


def judge(run: Path, events: list[tuple[int, int]]) -> dict[str, float]:
    """Average precision of each score column of ``run``, by column."""
    series = open_folder(run)[1]
    if not (run / "scores.csv").exists():
        raise InputError("no scores yet", str(run), f"end the run: ape run --resume {run}")
    scores = pd.read_csv(run / "scores.csv")
    labels = np.zeros(series.length, dtype=bool)
    for begin, end in events:
        labels[begin:end] = True
    test = slice(series.train_end or 0, None)
    return {name: average_precision(labels[test], scores[name][test]) for name in ("before", "after")}


if __name__ == "__main__":
    sys.exit(main())
