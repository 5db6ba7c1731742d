"""Time our VUS and the authors' package on the same series: ``python -m ape.evals.speed.vus``.

The package ``vus`` requires heavy packages that its metric does not use: ``pip install --no-deps vus==0.0.6 tqdm``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from ape.evals.metrics import vus_pr, vus_roc
from ape.evals.speed.timing import Table, medians_in_turns

LENGTHS = (10_000, 100_000)  # points
EVENT = 100  # points; one event per 10,000 points
BUFFER, RANKS = 100, 250
MAX_RUNS = 5


def main() -> int:
    """Print the table."""
    try:
        from vus.utils.metrics import metricor
    except ImportError as error:
        sys.stderr.write(f"{error}: pip install --no-deps vus==0.0.6 tqdm\n")
        return 2
    sys.stdout.write(f"volumes: VUS-PR, VUS-ROC with all thresholds, with {RANKS} thresholds, and of the package\n")
    table = Table({"points": ">8", "ours s": ">8.4f", "vus s": ">8.2f", "ratio": ">7.0f", "volumes": "<1"})
    for points in LENGTHS:
        table.row(points, *measure(points, metricor().RangeAUC_volume_opt))
    return 0


def measure(points: int, reference: Callable[..., tuple]) -> tuple[float, float, float, str]:
    """Return our seconds, the package's seconds, their ratio, and all volumes as text."""
    labels, scores = series(points)
    volumes: dict[str, tuple[float, float]] = {}

    def ours() -> None:
        volumes["ours"] = vus_pr(labels, scores, BUFFER), vus_roc(labels, scores, BUFFER)

    def package() -> None:
        *_, roc, pr = reference(labels, scores, BUFFER, RANKS)
        volumes["package"] = pr, roc

    taken = medians_in_turns({"ours": ours, "package": package}, max_runs=MAX_RUNS)
    ranks = vus_pr(labels, scores, BUFFER, RANKS), vus_roc(labels, scores, BUFFER, RANKS)
    shown = "; ".join("{:.4f}, {:.4f}".format(*each) for each in (volumes["ours"], ranks, volumes["package"]))
    return taken["ours"], taken["package"], taken["package"] / taken["ours"], shown


def series(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels with 1 % anomalous points, and noise that is higher there."""
    random = np.random.default_rng(0)
    labels = np.zeros(points, int)
    for begin in range(5_000, points, 10_000):
        labels[begin : begin + EVENT] = 1
    return labels, random.random(points) + 0.5 * labels


if __name__ == "__main__":
    sys.exit(main())
