"""Time our VUS beside the authors' package, on the same series in one run: ``python -m ape.evals.speed.vus``.

The package ``vus`` names heavy requirements that its metric does not need: ``pip install --no-deps vus==0.0.6 tqdm``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from ape.evals.metrics import vus_pr, vus_roc

EVENT = 100  # points; one event in 10 000
RUNS = {10_000: (5, 3), 100_000: (5, 1)}  # of ours and of theirs, for each length


def series(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels with 1 % of anomalous points, and noise that is higher there."""
    random = np.random.default_rng(0)
    labels = np.zeros(points, int)
    for begin in range(5_000, points, 10_000):
        labels[begin : begin + EVENT] = 1
    return labels, random.random(points) + 0.5 * labels


def median_seconds(call: Callable[[], object], runs: int) -> float:
    """Median of the wall-clock time of some runs."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def row(points: int, runs: tuple[int, int], reference: Callable[..., tuple]) -> str:
    """One line of the table: both volumes at a buffer of 100, ours over all thresholds and theirs at 250 ranks."""
    labels, scores = series(points)
    found: list[float] = []

    def ours(thresholds: int | None = None) -> None:
        found[:] = vus_pr(labels, scores, 100, thresholds), vus_roc(labels, scores, 100, thresholds)

    def theirs() -> None:
        found[:] = reference(labels, scores, 100, 250)[:-3:-1]

    values = []
    for call in (ours, lambda: ours(250), theirs):
        call()  # the first call also loads code
        values.append("{:.4f}, {:.4f}".format(*found))
    mine, other = median_seconds(ours, runs[0]), median_seconds(theirs, runs[1])
    return f"{points:>8} {mine:>8.4f} {other:>8.2f} {other / mine:>7.0f}   {'; '.join(values)}\n"


def main() -> int:
    """Print the table."""
    try:
        from vus.utils.metrics import metricor
    except ImportError as error:
        sys.stderr.write(f"{error}: pip install --no-deps vus==0.0.6 tqdm\n")
        return 2
    sys.stdout.write(
        f"{'points':>8} {'ours s':>8} {'vus s':>8} {'ratio':>7}   VUS-PR, VUS-ROC: ours; at 250 ranks; vus\n"
    )
    for points, runs in RUNS.items():
        sys.stdout.write(row(points, runs, metricor().RangeAUC_volume_opt))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
