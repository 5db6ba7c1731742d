"""Whether alarms find the events, how well they fit, and how many of them are false."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import events, padded_spans, validate_labels

FITTING = 0.5  # least intersection over union of an alarm that fits an event


class Alerts(NamedTuple):
    """Figures of alarms. The first four are NaN without events, ``pieces`` also if no event is caught.

    Parameters
    ----------
    caught : float
        Share of the events that an alarm overlaps.
    fitting : float
        Share of the events with an alarm whose intersection over union with the event is at least .5. A single alarm
        counts, not the union of several.
    f1 : float
        Harmonic mean of the share of events that are caught and the share of alarms that are not false. 0 without any
        alarm.
    pieces : float
        Alarms that overlap an event, mean over the caught events.
    false : float
        False alarms for each promised one. An alarm is false if it overlaps no padded event. NaN if no normal point is
        left.
    covered : float
        Share of the normal points that lie in an alarm, false or not: an alarm that reaches from an event far into
        normal data is not false. NaN if no normal point is left.
    """

    caught: float
    fitting: float
    f1: float
    pieces: float
    false: float
    covered: float


def alerts(labels: ArrayLike, alarms: ArrayLike, every: float) -> Alerts:
    """Compare alarms with the events.

    Events and their padding are those of `in_time`: the padding adds a tenth of the length, and at least 10 points, on
    either side, and runs of anomalous points whose padding touches are one event. Points outside are normal;
    a false alarm is promised in each ``every`` of them.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    alarms : array [N, 2]
        Begin and end (exclusive) of each alarm; no two overlap.
    every : float
        Points of normal data between two accepted false alarms.

    Returns
    -------
    Alerts

    Raises
    ------
    InputError
        Labels other than 0 and 1, alarms outside the series or without points, or ``every`` is not positive.
    """
    truth, spans = validate_labels(labels), np.asarray(alarms, dtype=np.int64).reshape(-1, 2)
    begins, ends = spans.T
    if not ((begins >= 0) & (begins < ends) & (ends <= len(truth))).all():
        raise InputError("alarms outside the series, or without points", "metric", "give 0 <= begin < end <= T")
    if not every > 0:
        raise InputError(f"{every:g} points between false alarms", "metric", "give a positive number")
    true, padded = events(truth), padded_spans(truth)
    common = _common(true, spans)
    union = np.diff(true) + np.diff(spans).T - common
    touching = (common > 0).sum(axis=1)
    caught = touching > 0
    false = int((_common(padded, spans) == 0).all(axis=0).sum())
    normal = len(truth) - int(np.diff(padded).sum())
    in_alarms = np.diff(spans).sum() - _common(padded, spans).sum()
    precision = 1 - false / len(spans) if len(spans) else 0.0
    recall = float(caught.mean()) if len(true) else np.nan
    return Alerts(
        recall,
        float((common / union >= FITTING).any(axis=1).mean()) if len(true) else np.nan,
        2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        float(touching[caught].mean()) if caught.any() else np.nan,
        false * every / normal if normal else np.nan,
        float(in_alarms / normal) if normal else np.nan,
    )


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how many points each of N spans shares with each of M others, int64 [N, M]."""
    begins = np.maximum(first[:, None, 0], second[:, 0])
    return np.maximum(np.minimum(first[:, None, 1], second[:, 1]) - begins, 0)
