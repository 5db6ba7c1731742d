"""What every metric asks of its labels and scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bool [T] with at least one anomalous point, and finite scores, float64 [T]."""
    truth, given = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != given.shape:
        raise InputError(f"labels {truth.shape} and scores {given.shape}", "metric", "give two arrays [T]")
    if not np.isin(truth, (0, 1)).all():
        raise InputError("labels other than 0 and 1", "metric", "give 1 where a point is anomalous, else 0")
    if not truth.any():
        raise InputError("no anomalous point among the labels", "metric", "leave out series without anomalies")
    if not np.isfinite(given).all():
        raise InputError("scores that are not finite", "metric", "score every point")
    return truth.astype(bool), given


def both_kinds(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The same, with at least one normal point as well: a rate of false alarms needs one."""
    truth, given = checked(labels, scores)
    if truth.all():
        raise InputError("no normal point among the labels", "metric", "give a longer series, with normal points")
    return truth, given


def segments(labels: np.ndarray) -> np.ndarray:
    """Begin and end (exclusive) of each run of anomalous points, int64 [N, 2]."""
    return np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)


def levels(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All thresholds that scores [T] tell apart, K of them, the highest first.

    Gives the level of each point, int64 [T], and how many points each level flags, int64 [K]; ties share a level.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    flagged = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(scores) - 1) + 1
    level = np.empty(len(scores), np.int64)
    level[order] = np.repeat(np.arange(len(flagged)), np.diff(flagged, prepend=0))
    return level, flagged
