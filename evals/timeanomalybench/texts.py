"""Texts about a series: what is measured, the operator's manual, and a log.

The log is drawn independently of the series' own fault. Lines dated within the series are routine or misleading.
Failures are dated before the series begins and are drawn from all failures of the scenario. So the texts do not reveal
where an anomaly of the series is, or of what kind.
"""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench.scenario import DAY, Texts

START = np.datetime64("2024-01-01T00:00:00")  # a Monday
ROUTINE, MISLEADING, INCIDENTS = 24, 3, 6  # mean number of lines
DAYS_BEFORE = 500  # incidents are at most this old when the series begins


def draw_texts(texts: Texts, seconds: float, seed: int) -> dict[str, str]:
    """Return the texts about a series, with a log drawn at random.

    Parameters
    ----------
    texts : Texts
    seconds : float
        Duration of the series, which begins at `START`.
    seed : int

    Returns
    -------
    dict
        Keys "measured", "manual" and "log".
    """
    rng = np.random.default_rng([seed, 2])
    lines = [
        *_draw_lines(texts.routine, ROUTINE, 0.0, seconds, rng),
        *_draw_lines(texts.misleading, MISLEADING, 0.0, seconds, rng),
        *_draw_lines(texts.incidents, INCIDENTS, -DAY * DAYS_BEFORE, -DAY, rng),
    ]
    stamped = [f"{START + np.timedelta64(int(at), 's')} {line}\n" for at, line in sorted(lines)]
    return {"measured": texts.measured, "manual": texts.manual, "log": "".join(stamped)}


def _draw_lines(
    lines: tuple[str, ...], mean: int, low: float, high: float, rng: np.random.Generator
) -> list[tuple[float, str]]:
    """Draw a Poisson number of lines at random times from ``low`` to ``high``; returns (seconds, text) pairs."""
    times = rng.uniform(low, high, rng.poisson(mean))
    return [
        (float(at), lines[which].replace("{n}", str(number)))
        for at, which, number in zip(
            times, rng.integers(len(lines), size=len(times)), rng.integers(2, 9, len(times)), strict=True
        )
    ]
