"""PA%K: F1 with point adjustment for events of which enough points are flagged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.evals.metrics.checks import levels, segments, validate


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
    """Compute F1 where an event is detected as a whole once more than K % of its points are flagged, K = 0 to 100.

    Kim, Choi, Choi, Lee and Yoon, "Towards a rigorous evaluation of time-series anomaly detection", AAAI 2022. As in
    the paper, the share has to exceed K: K = 0 is point adjustment, K = 100 is no adjustment. Each threshold is the
    best of all distinct ones, chosen with the test labels. A small K favours random scores: use the area or a large K.

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
    f1 = adjusted_f1(*validate(labels, scores), range(101))
    return PaK(float(np.trapezoid(f1, dx=0.01)), tuple(f1))


def adjusted_f1(truth: np.ndarray, scores: np.ndarray, percents: Iterable[float]) -> list[float]:
    """Return the highest F1 over all distinct thresholds for each K in percent. Labels and scores must be validated."""
    level, flagged = levels(scores)
    length = np.diff(segments(truth)).ravel()
    event = np.repeat(np.arange(len(length)), length)
    point_level = level[truth]
    point_level = point_level[np.lexsort((point_level, event))]
    order = np.arange(1, len(event) + 1) - np.repeat(
        np.cumsum(length) - length, length
    )  # 1 = first flagged in its event
    # A threshold between two anomalous points only adds false alarms, so the best one is at an anomalous point.
    candidates, slot = np.unique(point_level, return_inverse=True)
    false_alarms = flagged[candidates] - np.bincount(slot).cumsum()
    values = []
    for percent in percents:
        needed = np.floor(percent * length / 100).astype(int) + 1
        at = needed[event]
        # The point that completes the share also brings all points of the event that are not flagged yet.
        gain = np.where(order < at, 1, np.where(order == at, length[event] - at + 1, 0))
        detected = np.bincount(slot, gain).cumsum()
        values.append(float(np.max(2 * detected / (detected + false_alarms + len(event)))))
    return values
