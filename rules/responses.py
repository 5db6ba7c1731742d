"""How channels follow each other in normal data: slopes and lags of pairs that clearly go together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ape.rules.schema import Response
from ape.series.numerics import robust_scale

CLEAR, IN_HALVES = 0.6, 0.45  # least absolute correlation on the whole, and in either half with the same sign
LATER = 0.03  # by which a correlation has to be higher to count at a longer lag
LAGS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # samples, up to a quarter of a period
MOST = 6  # channels that follow one
MOST_POINTS = 20_000
CLIPPED = 3.0  # robust standard deviations; larger changes count as this large
FEWEST = 50  # changes that a relation is measured on


def find_responses(values: np.ndarray, names: Sequence[str], period: int | None, width: int) -> list[list[Response]]:
    """Measure how each channel's changes come back in the others, by a linear regression of clipped changes.

    With a period the changes are those from one cycle to the next, so that channels do not seem to go together only
    because both follow the clock. Which of two channels is the cause cannot be measured: each follows the other, unless
    one comes later.

    Parameters
    ----------
    values : ndarray [n, C]
        A stretch of normal data without gaps.
    names : sequence of str
    period : int or None
    width : int
        Samples between which changes are measured without a period.

    Returns
    -------
    list of list of Response
        For each channel those that follow it, the closest relation first.
    """
    nothing: list[list[Response]] = [[] for _ in names]
    values = np.asarray(values[-MOST_POINTS:], dtype=np.float64)
    step = period if period is not None and len(values) >= 3 * period else width
    lags = [lag for lag in LAGS if lag <= step // 4 or lag == 0]
    if len(names) == 1 or len(values) < step + lags[-1] + FEWEST:
        return nothing
    change = values[step:] - values[:-step]
    change -= np.median(change, axis=0)
    bound = CLIPPED * robust_scale(change)
    change = np.clip(change, -bound, bound)
    spread = change.std(axis=0)
    moves = spread > 1e-9 * (np.abs(values).max(axis=0) + 1e-300)
    change = change / np.where(moves, spread, 1.0)
    every = np.stack([_correlations(change, lag) for lag in lags])
    halves = np.array_split(change, 2)
    both = [np.stack([_correlations(half, lag) for lag in lags]) for half in halves]
    clear = (np.abs(every) >= CLEAR) & (every * both[0] > 0) & (every * both[1] > 0)
    clear &= np.minimum(np.abs(both[0]), np.abs(both[1])) >= IN_HALVES
    clear &= moves[:, None] & moves & ~np.eye(len(names), dtype=bool)
    strength = np.where(clear, np.abs(every) - LATER * (np.arange(len(lags)) > 0)[:, None, None], 0.0)
    best = strength.argmax(axis=0)
    strongest = strength.max(axis=0)
    found = nothing
    for source, row in enumerate(strongest):
        for target in np.argsort(-row, kind="stable")[:MOST]:
            if row[target] > 0:
                correlation = every[best[source, target], source, target]
                slope = float(correlation * spread[target] / spread[source])
                found[source].append(Response(channel=names[target], slope=slope, lag=lags[best[source, target]]))
    return found


def _correlations(change: np.ndarray, lag: int) -> np.ndarray:
    """Return the correlation of each standardised channel with each other one ``lag`` samples later, [C, C]."""
    early, late = change[: len(change) - lag], change[lag:]
    return early.T @ late / len(early)
