"""Time training many series together beside one after another: ``python -m ape.evals.speed.together [--device cuda]``.

Both take the same series and as many steps of each, through their front doors, and take turns. The last column is how
far the errors on the tails differ, at most, as a share: what rounding makes of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

import ape.detectors
from ape.detectors import WindowedDetector
from ape.series import Series, from_array
from ape.series.windows import sliding

COUNTS = (1, 4, 16, 64, 256)
WINDOW, POINTS, STEPS = 64, 1000, 20
BACKBONES = ("vae", "donut")
RUNS = 16  # series that are trained at each count at least; three runs at most


def waves(count: int) -> list[Series]:
    """Noisy waves, each of its own period, phase and length."""
    draw, made = np.random.default_rng(0), []
    for i in range(count):
        turns = np.arange(POINTS + 7 * (i % 50)) / draw.uniform(20, 60) + draw.uniform()
        made.append(from_array(np.sin(2 * np.pi * turns) + 0.1 * draw.normal(size=len(turns)), name=f"wave {i}"))
    return made


def untrained(name: str, device: str) -> WindowedDetector:
    """A detector that takes all its steps, however it does."""
    detector = ape.detectors.create(name, window=WINDOW, device=device)
    detector.budget = replace(detector.budget, steps=STEPS, patience=STEPS)
    return detector


def measured(call: Callable[[], list[WindowedDetector]], device: str) -> tuple[list[WindowedDetector], float, float]:
    """What a call gives, its seconds, and its peak of GPU memory in MiB."""
    on_gpu = device != "cpu"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    result = call()
    if on_gpu:
        torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else float("nan")
    return result, time.perf_counter() - started, peak


@torch.no_grad()
def error(detector: WindowedDetector, series: Series, device: str) -> float:
    """Mean error of the last windows."""
    windows = np.ascontiguousarray(sliding(series.values, WINDOW)[-100:])
    return float(detector.point_scores(torch.from_numpy(windows).to(device)).mean())


def row(name: str, device: str, series: list[Series]) -> str:
    """One line of the table."""

    def one_by_one() -> list[WindowedDetector]:
        return [untrained(name, device).fit(one) for one in series]

    def together() -> list[WindowedDetector]:
        return ape.detectors.fit_together(untrained(name, device), series)

    calls = (one_by_one, together)
    runs = [[measured(call, device) for call in calls] for _ in range(min(3, -(-RUNS // len(series))))]
    seconds = [statistics.median(run[side][1] for run in runs) for side in (0, 1)]
    peaks = [runs[-1][side][2] for side in (0, 1)]
    pairs = [
        [error(detector, one, device) for detector in both]
        for *both, one in zip(runs[-1][0][0], runs[-1][1][0], series, strict=True)
    ]
    apart = max(abs(alone - many) / alone for alone, many in pairs)
    return (
        f"{name:<12} {device:<5} {len(series):>6}"
        f" {seconds[0]:>12.2f} {seconds[1]:>10.2f} {seconds[0] / seconds[1]:>6.2f}"
        f" {peaks[0]:>9.0f} {peaks[1]:>9.0f} {apart:>8.1e}\n"
    )


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time training together beside one by one.")
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    sys.stdout.write(f"{STEPS} steps a series, window {WINDOW}, one thread, torch {torch.__version__}\n")
    sys.stdout.write(
        f"{'backbone':<12} {'on':<5} {'series':>6} {'one by one s':>12} {'together s':>10} {'ratio':>6}"
        f" {'MiB, GPU':>9} {'together':>9} {'apart':>8}\n"
    )
    for name in given.backbones:
        row(name, given.device, waves(2))  # the first call also loads code
        for count in COUNTS:
            sys.stdout.write(row(name, given.device, waves(count)))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
