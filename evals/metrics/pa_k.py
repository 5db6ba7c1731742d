"""PA%K: F1 with point adjustment where enough of an event was found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.evals.metrics.checks import checked, levels, segments


class PaK(NamedTuple):
    """F1 under PA%K for each K, and its mean over K.

    Attributes
    ----------
    area : float
        Area under F1 over K from 0 to 100 %, by the trapezoid rule, in [0, 1].
    f1 : tuple of float
        101 values, at K = 0 (point-adjusted F1), 1, ..., 100 % (plain F1), each at its own best threshold.
    """

    area: float
    f1: tuple[float, ...]


def pa_k(labels: ArrayLike, scores: ArrayLike) -> PaK:
    """F1 where an event counts as wholly found once more than K % of its points are flagged, for K = 0, 1, ..., 100.

    Kim, Choi, Choi, Lee and Yoon, "Towards a rigorous evaluation of time-series anomaly detection", AAAI 2022. As
    there, the share has to exceed K, so that K = 0 is point adjustment and K = 100 none at all. Each threshold is the
    best of all distinct ones, chosen with the test labels. A small K flatters random scores: read the area, or a large
    K.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, or lengths that differ.
    """
    f1 = adjusted_f1(*checked(labels, scores), range(101))
    return PaK(float(np.trapezoid(f1, dx=0.01)), tuple(f1))


def adjusted_f1(truth: np.ndarray, scores: np.ndarray, percents: Iterable[float]) -> list[float]:
    """Highest F1 over all distinct thresholds, for each K in percent; labels and scores are checked ones."""
    level, flagged = levels(scores)
    length = np.diff(segments(truth)).ravel()
    event = np.repeat(np.arange(len(length)), length)
    found_at = level[truth]
    found_at = found_at[np.lexsort((found_at, event))]
    order = np.arange(1, len(event) + 1) - np.repeat(np.cumsum(length) - length, length)  # 1 = found first in its event
    # A threshold between two anomalous points only adds false alarms: the best one lies at an anomalous point.
    kept, slot = np.unique(found_at, return_inverse=True)
    false_alarms = flagged[kept] - np.bincount(slot).cumsum()
    values = []
    for percent in percents:
        needed = np.floor(percent * length / 100).astype(int) + 1
        at = needed[event]
        # The point that makes the event count brings all those with it that are not found yet.
        gain = np.where(order < at, 1, np.where(order == at, length[event] - at + 1, 0))
        found = np.bincount(slot, gain).cumsum()
        values.append(float(np.max(2 * found / (found + false_alarms + len(event)))))
    return values
