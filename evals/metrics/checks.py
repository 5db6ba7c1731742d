"""What every metric asks of its labels and scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ape.series import InputError


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


def segments(labels: np.ndarray) -> np.ndarray:
    """Begin and end (exclusive) of each run of anomalous points, int64 [N, 2]."""
    return np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
