"""What people wrote about a series, at three levels: what is measured, the manual, and a log.

The log is drawn apart from the faults: lines within the series are routine or misleading, failures in it lie before the
series begins and are drawn from all that the scenario knows. Nothing tells where, or of what kind, an own anomaly is.
"""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench.scenario import DAY, Texts

LEVELS = ("measured", "manual", "log")
START = np.datetime64("2024-01-01T00:00:00")  # a Monday
ROUTINE, MISLEADING, INCIDENTS = 24, 3, 6  # lines, on average
MOST_DAYS_BEFORE = 500


def written(texts: Texts, seconds: float, seed: int) -> dict[str, str]:
    """The texts by level; the log covers ``seconds`` from `START`, and the time before it."""
    rng = np.random.default_rng([seed, 2])
    lines = [
        *_drawn(texts.routine, ROUTINE, 0.0, seconds, rng),
        *_drawn(texts.misleading, MISLEADING, 0.0, seconds, rng),
        *_drawn(texts.incidents, INCIDENTS, -DAY * MOST_DAYS_BEFORE, -DAY, rng),
    ]
    stamped = [f"{START + np.timedelta64(int(at), 's')} {line}\n" for at, line in sorted(lines)]
    return {"measured": texts.measured, "manual": texts.manual, "log": "".join(stamped)}


def _drawn(
    lines: tuple[str, ...], mean: int, low: float, high: float, rng: np.random.Generator
) -> list[tuple[float, str]]:
    """Second and wording of a random number of lines."""
    times = rng.uniform(low, high, rng.poisson(mean))
    return [
        (float(at), lines[which].replace("{n}", str(number)))
        for at, which, number in zip(
            times, rng.integers(len(lines), size=len(times)), rng.integers(2, 9, len(times)), strict=True
        )
    ]
