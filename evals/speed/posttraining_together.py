"""Time post-training many series together beside one by one: ``python -m ape.evals.speed.posttraining_together``.

Both take the same detectors, banks and series and as many steps of each, through their front doors, and take turns.
``train`` are the steps and what they store, ``whole`` is all of it: profile, pool and trial too, which are done series
by series either way. ``apart`` is how far scores differ, at most, on the first few series.
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
from ape.evals.speed.together import untrained, waves
from ape.posttrain import DEFAULT, Enhancement, enhance, enhance_together
from ape.rules import build_context, generic_bank

COUNTS = (1, 4, 16, 64)
BACKBONES = ("vae", "donut")
OPERATORS = ("spike_global", "level_shift", "amplitude_scale", "time_reverse")
SHARE = 5  # of the default recipe's steps and pool, one in so many
RUNS, COMPARED = 16, 4  # series that are post-trained at each count at least, in three runs at most; and those compared


def measured(call: Callable[[], list[Enhancement]]) -> tuple[list[Enhancement], tuple[float, float]]:
    """What a call gives, and its seconds: of training, and all of them."""
    started = time.perf_counter()
    results = call()
    whole = time.perf_counter() - started
    return results, (sum(result.report["seconds"]["train"] for result in results), whole)


def row(name: str, device: str, count: int) -> str:
    """One line of the table."""
    series = waves(count)
    banks = [generic_bank(build_context(one), OPERATORS) for one in series]
    detectors = ape.detectors.fit_together(untrained(name, device), series)
    steps = {step: getattr(DEFAULT, step) // SHARE for step in ("head_steps", "joint_steps", "pool")}
    recipe = replace(DEFAULT, **steps)

    def one_by_one() -> list[Enhancement]:
        return [enhance(*given, recipe=recipe) for given in zip(detectors, banks, series, strict=True)]

    def together() -> list[Enhancement]:
        return enhance_together(detectors, banks, series, recipe=recipe)

    runs = [[measured(call) for call in (one_by_one, together)] for _ in range(min(3, -(-RUNS // count)))]
    seconds = [[statistics.median(run[side][1][part] for run in runs) for side in (0, 1)] for part in (0, 1)]
    (alone, _), (many, _) = runs[-1]
    apart = max(
        float(np.abs(first.candidate.score(one) - second.candidate.score(one)).max())
        for first, second, one in zip(alone[:COMPARED], many, series, strict=False)
        if first.candidate is not None and second.candidate is not None
    )
    figures = "".join(f" {before:>10.2f} {after:>10.2f} {before / after:>6.2f}" for before, after in seconds)
    return f"{name:<12} {device:<5} {count:>6}{figures} {apart:>8.1e}\n"


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time post-training together beside one by one.")
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    sys.stdout.write(f"one in {SHARE} of the default recipe's steps, one thread, torch {torch.__version__}\n")
    sys.stdout.write(
        f"{'backbone':<12} {'on':<5} {'series':>6}"
        + "".join(f" {part + ', s':>10} {'together':>10} {'ratio':>6}" for part in ("train", "whole"))
        + f" {'apart':>8}\n"
    )
    for name in given.backbones:
        row(name, given.device, 2)  # the first call also loads code
        for count in COUNTS:
            sys.stdout.write(row(name, given.device, count))
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
