"""Measure whether unit and level of a series change its rules and scores: ``python -m ape.evals.invariance``.

The series and copies of it in other units and at other levels go through the whole pipeline: mine, train, post-train,
score. A unit that is a power of two rounds no value. Other units and levels change the rounding of the values, and
training amplifies that, as it amplifies another seed, which is measured for comparison.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ape import detectors, graphs, posttrain
from ape.series import Series, from_array, load

# factor and level of each copy
CHANGES = {
    "same series": (1.0, 0.0),
    "+ 2e7": (1.0, 2e7),
    "+ 1e9": (1.0, 1e9),
    "x 2^-40": (2.0**-40, 0.0),
    "x 1e-12": (1e-12, 0.0),
    "x 1e12": (1e12, 0.0),
    "101325 + 0.01 x": (0.01, 101325.0),
}
DESCRIPTIONS = {"note", "evidence", "history"}  # of a rule: what the agents say about it


@dataclass(frozen=True)
class Result:
    """What the pipeline makes of a series: the rules without descriptions, and the scores [T] by name."""

    rules: list[dict[str, Any]]
    scores: dict[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """Difference of the scores of a copy from those of the series.

    Parameters
    ----------
    rank_correlation : float
        Spearman's.
    largest : float
        Largest absolute difference, as a share of the larger of the score and the median score.
    """

    rank_correlation: float
    largest: float


def main() -> int:
    """Print a line for each copy as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m ape.evals.invariance", description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="example:internal-bleeding", metavar="DATA", help="default: example")
    parser.add_argument("--train-end", metavar="WHERE", help="default: that of the file")
    arguments = parser.parse_args()
    series = load(arguments.data, train_end=arguments.train_end)
    for name, equal, differences in compare(series, CHANGES):
        scores = "; ".join(
            f"{score}: rank correlation {each.rank_correlation:.6f}, largest relative difference {each.largest:.2g}"
            for score, each in differences.items()
        )
        sys.stdout.write(f"{name:16} rules {'equal' if equal else 'differ'}; {scores}\n")
        sys.stdout.flush()
    return 0


def compare(
    series: Series, changes: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[str, bool, dict[str, Difference]]]:
    """Yield the name of each copy, whether its rules are those of the series, and the difference of each score.

    The last one is the series itself with another seed.

    Parameters
    ----------
    series : Series
    changes : mapping of str to (float, float)
        Factor and level of each copy by name.
    """
    plain = pipeline(series)
    for name, (factor, level) in changes.items():
        values = level + factor * series.exact
        copy = from_array(values, series.channels, series.train_end, series.timestamps, series.text, series.name)
        yield name, *_compared(plain, pipeline(copy))
    yield "another seed", *_compared(plain, pipeline(series, seed=1))


def _compared(plain: Result, changed: Result) -> tuple[bool, dict[str, Difference]]:
    differences = {score: difference(plain.scores[score], changed.scores[score]) for score in plain.scores}
    return plain.rules == changed.rules, differences


def pipeline(series: Series, seed: int = 0) -> Result:
    """Mine, train, post-train and score a series."""
    bank = graphs.mine(series, seed=seed)
    detector = detectors.create("vae").fit(series, seed)
    enhanced = posttrain.enhance(detector, bank, series, seed).detector
    rules = [rule.model_dump(mode="json", exclude=DESCRIPTIONS) for rule in bank.rules]
    return Result(rules, {"before": detector.score(series), "after": enhanced.score(series)})


def difference(plain: np.ndarray, changed: np.ndarray) -> Difference:
    """Compare two scores [T]; NaN on both sides does not count."""
    known = np.isfinite(plain)
    if not np.array_equal(known, np.isfinite(changed)):
        return Difference(float("nan"), float("inf"))
    plain, changed = plain[known].astype(np.float64), changed[known].astype(np.float64)
    relative = np.abs(changed - plain) / np.maximum(plain, np.median(plain))
    return Difference(float(spearmanr(plain, changed).statistic), float(relative.max()))


if __name__ == "__main__":
    sys.exit(main())
