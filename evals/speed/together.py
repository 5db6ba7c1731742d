"""Time training many series at once and one by one: ``python -m ape.evals.speed.together [BACKBONE ...]``.

Both train the same series with the same number of steps. The last column is the largest relative difference of the mean
errors on the last windows, which is due to rounding.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

import ape.detectors
from ape.detectors import WindowedDetector
from ape.evals.speed.timing import Table, medians_in_turns
from ape.series import Series, from_array
from ape.series.windows import sliding

COUNTS = (1, 4, 16, 64, 256)
WINDOW, POINTS, STEPS = 64, 1000, 20
BACKBONES = ("vae", "donut")
MIN_SERIES, MAX_RUNS = 16, 3  # repeat until this many series were trained, in this many runs at most


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.together", description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", default=BACKBONES, metavar="BACKBONE", help="default: vae donut")
    parser.add_argument("--device", default="cpu", help="default: cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sys.stdout.write(f"{STEPS} steps per series, window {WINDOW}, one thread, torch {torch.__version__}\n")
    columns = {"backbone": "<12", "on": "<5", "series": ">6", "one by one s": ">12.2f", "together s": ">10.2f"}
    columns |= {"ratio": ">6.2f", "MiB, GPU": ">9.0f", "together": ">9.0f", "apart": ">8.1e"}
    table = Table(columns)
    for name in arguments.backbones:
        for count in COUNTS:
            table.row(name, arguments.device, count, *measure(name, arguments.device, waves(count)))
    return 0


def measure(name: str, device: str, series: list[Series]) -> tuple[float, ...]:
    """Return seconds one by one and together, their ratio, the GPU's peak MiB of both, and the difference of errors."""
    trained: dict[str, list[WindowedDetector]] = {}
    peaks: dict[str, float] = {}

    def call(way: str, train: Callable[[], list[WindowedDetector]]) -> None:
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        trained[way] = train()
        peaks[way] = torch.cuda.max_memory_allocated() / 2**20 if device != "cpu" else float("nan")

    calls = {
        "one by one": lambda: call("one by one", lambda: [untrained(name, device).fit(one) for one in series]),
        "together": lambda: call("together", lambda: ape.detectors.fit_together(untrained(name, device), series)),
    }
    runs = min(MAX_RUNS, -(-MIN_SERIES // len(series)))
    taken = medians_in_turns(calls, device, runs, enough=float("inf"))
    errors = np.array([[mean_error(*pair, device) for pair in zip(trained[way], series, strict=True)] for way in calls])
    apart = float((np.abs(errors[0] - errors[1]) / errors[0]).max())
    alone, together = taken["one by one"], taken["together"]
    return alone, together, alone / together, peaks["one by one"], peaks["together"], apart


def waves(count: int) -> list[Series]:
    """Return noisy waves with different periods, phases and lengths."""
    draw, series = np.random.default_rng(0), []
    for i in range(count):
        turns = np.arange(POINTS + 7 * (i % 50)) / draw.uniform(20, 60) + draw.uniform()
        series.append(from_array(np.sin(2 * np.pi * turns) + 0.1 * draw.normal(size=len(turns)), name=f"wave {i}"))
    return series


def untrained(name: str, device: str) -> WindowedDetector:
    """Return a detector whose training never stops early."""
    detector = ape.detectors.create(name, window=WINDOW, device=device)
    detector.budget = replace(detector.budget, steps=STEPS, patience=STEPS)
    return detector


@torch.no_grad()
def mean_error(detector: WindowedDetector, series: Series, device: str) -> float:
    """Return the mean error of the last windows."""
    windows = np.ascontiguousarray(sliding(series.values, WINDOW)[-100:])
    return float(detector.point_scores(torch.from_numpy(windows).to(device)).mean())


if __name__ == "__main__":
    sys.exit(main())
