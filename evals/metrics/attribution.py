"""Whether a detector names the right rule at an event."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import events

Ranking = Callable[[int, int], Sequence[tuple[str | None, float]]]


def rule_accuracy(labels: ArrayLike, ranking: Ranking, right: Collection[str]) -> float:
    """Return the share of the events at which a right rule is the first of all rules.

    Runs of anomalous points that are close to each other are one event, see `in_time`.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0. At least one 1.
    ranking : callable
        Maps begin and end of an event to rules with their probabilities, the most probable first, such as
        `ape.posttrain.Explanation.ranking`. None stands for none of the rules, and is passed over.
    right : collection of str
        Rules that describe the true mechanism. If there is none, the share is NaN: nothing right could be named.

    Raises
    ------
    InputError
        No anomalous point.
    """
    truth = np.asarray(labels, dtype=bool)
    if not truth.any():
        raise InputError("no anomalous point among the labels", "metric", "leave out series without anomalies")
    if not right:
        return float("nan")
    rankings = [ranking(begin, end) for begin, end in events(truth).tolist()]
    first = [next((rule for rule, _ in ranked if rule is not None), None) for ranked in rankings]
    return float(np.mean([rule in right for rule in first]))
