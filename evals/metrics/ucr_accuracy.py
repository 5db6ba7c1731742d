"""Accuracy of the UCR anomaly archive: whether the highest score is near the only anomaly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import segments, validate

TOLERANCE = 100  # points; an event that is longer allows its own length


def ucr_accuracy(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return 1.0 if the first highest score is less than ``max(100, L)`` points from the event of length L, else 0.0.

    Keogh, Dutta Roy, Naik and Agrawal, "Multi-dataset time-series anomaly detection", SIGKDD 2021. The archive reports
    the mean over its series. Give only the test part.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0; exactly one run of 1.
    scores : array [T]
        Higher is more anomalous.

    Raises
    ------
    InputError
        Not exactly one event, scores that are not finite, or lengths that differ.
    """
    truth, values = validate(labels, scores)
    events = segments(truth)
    if len(events) != 1:
        raise InputError(
            f"{len(events)} events among the labels", "UCR accuracy", "give a series with exactly one event"
        )
    begin, end = events[0]
    slack = max(TOLERANCE, end - begin)
    return float(begin - slack < np.argmax(values) < end - 1 + slack)
