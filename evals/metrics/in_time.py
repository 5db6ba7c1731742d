"""Whether the highest scores lie inside the events, and how soon: what a person sees who follows the score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.evals.metrics.checks import events, padded_spans, validate

BEFORE = 100  # points before an event in which the score must not rise yet


class InTime(NamedTuple):
    """Figures of the flagged points.

    Parameters
    ----------
    outside : float
        Share of the flagged points that lie outside the padded span of every event.
    found : float
        Share of the events with a flagged point inside.
    delay : float
        Points from the beginning of an event to the first flagged point inside, mean over events. An event without
        one counts with its length.
    early : float
        Share of the events that have a flagged point in the 100 points before they begin. Points of the padded span of
        an earlier event do not count.
    """

    outside: float
    found: float
    delay: float
    early: float


def in_time(labels: ArrayLike, scores: ArrayLike) -> InTime:
    """Flag the highest scores, as many as there are anomalous points, and compare the flags with the events in time.

    All methods get the same number of flags, so that a threshold favours none of them. The number comes from the
    labels, the places do not. A fixed share of all points would hide a score that smears a short event, because most
    flags then lie outside whatever the score. Ties at the threshold are all flagged.

    The padded span of an event adds a tenth of its length, and at least 10 points, on either side. Runs of anomalous
    points whose spans touch are one event.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0. At least one 1.
    scores : array [T]
        Higher is more anomalous. Finite.

    Returns
    -------
    InTime

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, or lengths that differ.
    """
    truth, values = validate(labels, scores)
    count = int(truth.sum())
    flagged = values >= np.partition(values, len(values) - count)[len(values) - count]
    flags = np.append(np.flatnonzero(flagged), len(values))
    (begins, ends), (padded_begins, padded_ends) = events(truth).T, padded_spans(truth).T
    inside = np.searchsorted(flags, padded_ends) - np.searchsorted(flags, padded_begins)
    delay = np.minimum(flags[np.searchsorted(flags, begins)], ends) - begins
    first = np.maximum(begins - BEFORE, np.append(0, padded_ends[:-1]))
    before = flags[np.searchsorted(flags, first)] < begins
    return InTime(
        1 - float(inside.sum() / flagged.sum()),
        float((delay < ends - begins).mean()),
        float(delay.mean()),
        float(before.mean()),
    )
