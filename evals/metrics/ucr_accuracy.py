"""Accuracy of the UCR anomaly archive: whether the highest score lies near the one anomaly."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import checked, segments

TOLERANCE = 100  # points; longer events allow their own length


def ucr_accuracy(labels: ArrayLike, scores: ArrayLike) -> float:
    """1.0 if the (first) highest score lies less than ``max(100, L)`` points from the event of length L, else 0.0.

    Keogh, Dutta Roy, Naik and Agrawal, "Multi-dataset time-series anomaly detection", SIGKDD 2021; the archive's number
    is the mean over its series. Give the test part alone.

    Parameters
    ----------
    labels : array [T]
        With exactly one run of 1.
    scores : array [T]

    Raises
    ------
    InputError
        Another number of events, scores that are not finite, or lengths that differ.
    """
    truth, given = checked(labels, scores)
    events = segments(truth)
    if len(events) != 1:
        raise InputError(f"{len(events)} events among the labels", "UCR accuracy", "give a series with exactly one")
    begin, end = events[0]
    slack = max(TOLERANCE, end - begin)
    return float(begin - slack < np.argmax(given) < end - 1 + slack)
