"""Judge the scores of a finished run by known events: ``python -m ape.evals.judge RUN --event BEGIN END``.

Labels come from the command line, after the run has ended. The run itself never reads labels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from ape.core.errors import InputError
from ape.core.run_files import SCORES
from ape.evals.metrics import average_precision
from ape.evals.metrics.checks import fill_unscored
from ape.runs import Run


def main() -> int:
    """Print the average precision of each score in the run folder, on the part after ``train_end``."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.judge", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of 'ape run'")
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
    """Return the average precision of each score column of a run.

    Parameters
    ----------
    run : Path
        Run folder.
    events : list of (int, int)
        Begin and end (exclusive) of each anomaly, in rows of the file.
    """
    series = Run.open(run).series
    if not (run / SCORES).exists():
        raise InputError("no scores yet", str(run), f"finish the run: ape run --resume {run}")
    scores = pd.read_csv(run / SCORES)
    labels = np.zeros(len(scores), dtype=bool)
    for begin, end in events:
        labels[begin:end] = True
    test = slice(int(series.point_rows[series.train_end]) if series.train_end else 0, None)
    return {name: average_precision(labels[test], fill_unscored(scores[name][test])) for name in ("before", "after")}


if __name__ == "__main__":
    sys.exit(main())
