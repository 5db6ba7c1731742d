"""Time post-training and scoring: ``python -m ape.evals.speed.posttraining [BACKBONE ...]``.

The series is a noisy wave; its first half is the training part. The bank has six rules, the recipe is the default.
The backbones are untrained, which takes the same time. Columns:

- ``plain``: milliseconds of a training step of the backbone, on as many windows as a joint step reconstructs;
  ``stored``: of a post-training step on stored rows; ``joint``: of a step in which the backbone learns as well;
  ``ratio``: joint / plain. Steps are timed on windows of 100 points;
- ``post s``: seconds of post-training with acceptance; ``score s``: of scoring the whole series;
- ``MiB``: peak memory of both beyond the imports, in a new process; on a GPU, peak of allocations.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import nn

import ape.detectors
import ape.series
from ape.detectors import WindowedDetector
from ape.evals.speed.processes import most_resident
from ape.evals.speed.timing import Table, medians_in_turns
from ape.posttrain import DEFAULT, enhance
from ape.posttrain.discriminator.adaptation import adapt
from ape.posttrain.discriminator.pretrained import load_pretrained
from ape.posttrain.discriminator.training import JOINT_BATCH
from ape.posttrain.freezing import training
from ape.posttrain.normal_part import profile
from ape.rules import RuleBank, broad_bank, build_context
from ape.series import Series
from ape.series.windows import joined, sliding

WINDOW, PERIOD = 100, 50
STEP_POINTS = 4000  # of the training part on which steps are timed
OPERATORS = ("spike_global", "level_shift", "trend_drift", "amplitude_scale", "noise_burst", "time_reverse")
FEW, MANY = 5, 25  # steps of two post-trainings; their difference leaves out what is done once
REPEATS = 3
STEP_COLUMNS = {"backbone": "<13", "plain ms": ">9.2f", "stored ms": ">9.2f", "joint ms": ">9.2f", "ratio": ">9.2f"}
WHOLE_COLUMNS = {"backbone": "<13", "points": ">9", "channels": ">9", "post s": ">9.1f", "score s": ">9.1f"}
WHOLE_COLUMNS |= {"MiB": ">9.0f"}


def wave(points: int, channels: int = 1) -> Series:
    """Return a series of noisy sine waves, half of it the training part."""
    time_, phase = np.arange(points)[:, None], np.arange(channels)
    noise = 0.1 * np.random.default_rng(0).normal(size=(points, channels))
    return ape.series.from_array(np.sin(2 * np.pi * time_ / PERIOD + phase) + noise, train_end=points // 2)


def untrained(name: str, series: Series, device: str) -> WindowedDetector:
    """Return a backbone with random weights, standardised by the training part."""
    detector = ape.detectors.create(name, window=WINDOW, device=device)
    torch.manual_seed(0)
    train = torch.from_numpy(joined(series.values, series.train_segments))
    module = detector.build_module(series.n_channels, WINDOW)
    detector.set_trained(module, WINDOW, train.mean(0), train.std(0))
    return detector


def bank_of(series: Series) -> RuleBank:
    """Return a bank of six rules."""
    return broad_bank(build_context(series), OPERATORS)


def step_seconds(name: str, device: str) -> dict[str, float]:
    """Return the seconds of each kind of step: plain, stored and joint."""
    series = wave(2 * STEP_POINTS)
    detector, bank = untrained(name, series, device), bank_of(series)
    normal = profile(series, WINDOW, *detector.shift_and_scale).normal
    network = load_pretrained(device=device)

    def learning(stored: int, joint: int) -> float:
        """Return the seconds of some steps, and of the checks in between."""
        recipe = replace(DEFAULT, steps=stored, joint_steps=joint)
        adapted = adapt(network, normal, bank, detector, torch.Generator().manual_seed(0), recipe)
        return sum(adapted.report["seconds"].values())

    def per_step(stored: int, joint: int) -> float:
        """Return the seconds of one step; one of the arguments is 1, the other 0."""
        learning(stored, joint)  # the first steps of a process load code
        many, few = ([learning(n * stored, n * joint) for _ in range(REPEATS)] for n in (MANY, FEW))
        return (statistics.median(many) - statistics.median(few)) / (MANY - FEW)

    return {
        "plain": plain_seconds(detector, series, device),
        "stored": per_step(1, 0),
        "joint": per_step(0, 1),
    }


def plain_seconds(detector: WindowedDetector, series: Series, device: str) -> float:
    """Return the median seconds of a training step of the backbone alone."""
    detector = detector.clone()
    windows = torch.from_numpy(sliding(series.values, WINDOW)[:JOINT_BATCH].copy()).to(device)
    free = list(detector.module.parameters())
    optimiser = torch.optim.AdamW(free, lr=1e-5)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        detector.loss(windows).backward()
        nn.utils.clip_grad_norm_(free, 1.0)
        optimiser.step()

    with training(detector.module, free):
        return medians_in_turns({"plain": step}, device)["plain"]


def whole_seconds(name: str, points: int, channels: int, device: str) -> tuple[float, float, float]:
    """Return the seconds of post-training and of scoring, and the MiB of both; call it in a new process."""
    torch.set_num_threads(1)
    series = wave(points, channels)
    detector, bank = untrained(name, series, device), bank_of(series)
    before, started = most_resident(os.getpid()), time.perf_counter()
    candidate = enhance(detector, bank, series).candidate
    assert candidate is not None
    post_trained = time.perf_counter()
    candidate.score(series)
    scored = time.perf_counter()
    memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else most_resident(os.getpid()) - before
    return post_trained - started, scored - post_trained, memory


def main() -> int:
    """Print a table of steps, then one of whole series."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.speed.posttraining", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="BACKBONE", help="default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: cpu")
    parser.add_argument(
        "--points", nargs="*", type=int, default=[10_000], metavar="N", help="lengths of series; default: 10000"
    )
    parser.add_argument("--channels", type=int, default=1, metavar="N", help="default: 1")
    arguments = parser.parse_args()
    names = arguments.names or list(ape.detectors.names())
    if unknown := set(names) - set(ape.detectors.names()):
        sys.stderr.write(f"no backbone '{min(unknown)}': use names from {', '.join(ape.detectors.names())}\n")
        return 2
    torch.set_num_threads(1)
    sys.stdout.write(f"{arguments.device}, one thread, torch {torch.__version__}; {len(OPERATORS)} rules\n")
    table = Table(STEP_COLUMNS)
    for name in names:
        taken = step_seconds(name, arguments.device)
        milliseconds = (1e3 * taken[kind] for kind in ("plain", "stored", "joint"))
        table.row(name, *milliseconds, taken["joint"] / taken["plain"])
    table = Table(WHOLE_COLUMNS)
    for points in arguments.points:
        for name in names:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                job = pool.submit(whole_seconds, name, points, arguments.channels, arguments.device)
                table.row(name, points, arguments.channels, *job.result())
    return 0


if __name__ == "__main__":
    sys.exit(main())
