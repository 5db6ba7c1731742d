"""Whether a detector names the right rule at an event."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import segments, validate


def rule_accuracy(labels: ArrayLike, scores: ArrayLike, posterior: ArrayLike, right: ArrayLike) -> float:
    """Return the share of the events at which a right rule is first.

    The rule that is first has the highest mean posterior over the half of the event's points with the higher scores:
    where an event hardly changes a point, no rule can be told.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0. At least one 1.
    scores : array [T]
        Higher is more anomalous. Finite.
    posterior : array [T, R]
        Probability of each rule at each point. NaN, where a point has none, counts as 0.
    right : array, bool [R]
        Which rules describe the true mechanism. If there is none, the share is NaN: nothing could be named.

    Raises
    ------
    InputError
        Shapes that differ, no anomalous point, or scores that are not finite.
    """
    truth, values = validate(labels, scores)
    probability, wanted = np.asarray(posterior, dtype=np.float64), np.asarray(right, dtype=bool)
    if probability.shape != (len(values), len(wanted)):
        raise InputError(
            f"the posterior has shape {probability.shape}, not {(len(values), len(wanted))}", "metric", "give [T, R]"
        )
    if not wanted.any():
        return float("nan")
    probability = np.nan_to_num(probability)
    first = [
        probability[begin:end][values[begin:end] >= np.median(values[begin:end])].mean(axis=0).argmax()
        for begin, end in segments(truth)
    ]
    return float(wanted[first].mean())
