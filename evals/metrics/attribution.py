"""Whether a detector names the right rule and the right channel at an event."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import events

Ranking = Callable[[int, int], Sequence[tuple[str | None, float]]]


class ChannelAccuracy(NamedTuple):
    """Shares of events.

    Parameters
    ----------
    located : float
        At which the first channel is at fault.
    chance : float
        The same for a channel that is drawn at random.
    """

    located: float
    chance: float


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


def channel_accuracy(at_fault: ArrayLike, shares: ArrayLike, scores: ArrayLike) -> ChannelAccuracy:
    """Return at how many events the channel with the largest share in the score is at fault: hit rate at one.

    The share of a channel is its mean over the event's points, which count by their score, as in `ape.monitor`. An
    event without a score counts as wrong. A channel is at fault in an event if it is at any of its points.

    Parameters
    ----------
    at_fault : array [T, C]
        1 where a channel shows the anomaly, else 0. At least one 1. For events, see `in_time`.
    shares : array [T, C]
        NaN where there is none.
    scores : array [T]
        Not negative. NaN where there is none.

    Raises
    ------
    InputError
        No channel is at fault anywhere.
    """
    truth, share, score = np.asarray(at_fault, dtype=bool), np.asarray(shares), np.asarray(scores)
    if not truth.any():
        raise InputError("no channel is at fault", "metric", "leave out series without anomalies")
    weighted = np.nan_to_num(share * score[:, None])
    spans = events(np.asarray(truth.any(axis=1))).tolist()
    right = np.array([truth[begin:end].any(axis=0) for begin, end in spans])
    total = np.array([weighted[begin:end].sum(axis=0) for begin, end in spans])
    first = right[np.arange(len(spans)), total.argmax(axis=1)] & (total.max(axis=1) > 0)
    return ChannelAccuracy(float(first.mean()), float(right.mean()))
