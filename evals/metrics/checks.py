"""Input checks and array helpers that the metrics share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError

PAD_SHARE, LEAST_PAD = 0.1, 10  # of a run of anomalous points, and in points


def validate(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return labels as bool [T] with at least one anomalous point, and finite scores as float64 [T].

    Raises
    ------
    InputError
        Shapes that differ, labels other than 0 and 1, no anomalous point, or scores that are not finite.
    """
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise InputError(
            f"labels have shape {truth.shape} and scores {values.shape}",
            "metric",
            "give two arrays of the same shape [T]",
        )
    truth = validate_labels(truth)
    if not truth.any():
        raise InputError("no anomalous point among the labels", "metric", "leave out series without anomalies")
    if not np.isfinite(values).all():
        raise InputError("scores that are not finite", "metric", "give a finite score for every point")
    return truth, values


def validate_labels(labels: ArrayLike) -> np.ndarray:
    """Return labels as bool [T].

    Raises
    ------
    InputError
        They have another shape, or are other than 0 and 1.
    """
    truth = np.asarray(labels)
    if truth.ndim != 1:
        raise InputError(f"labels have shape {truth.shape}", "metric", "give an array of shape [T]")
    if not np.isin(truth, (0, 1)).all():
        raise InputError("labels other than 0 and 1", "metric", "give 1 where a point is anomalous, else 0")
    return truth.astype(bool)


def validate_both_classes(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Validate as `validate`, and require a normal point: a false positive rate needs one."""
    truth, values = validate(labels, scores)
    if truth.all():
        raise InputError("no normal point among the labels", "metric", "give a longer series, with normal points")
    return truth, values


def fill_unscored(scores: ArrayLike) -> np.ndarray:
    """Return scores [T] in which points without one (NaN, in stretches shorter than a window) have the lowest score.

    Such a point raises no alarm, so an anomaly there counts as missed.
    """
    values = np.asarray(scores, dtype=np.float64)
    return np.where(np.isnan(values), np.fmin.reduce(values), values)


def segments(labels: np.ndarray) -> np.ndarray:
    """Return begin and end (exclusive) of each run of anomalous points, int64 [N, 2]."""
    return np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)


def padded_spans(labels: np.ndarray) -> np.ndarray:
    """Return begin and end (exclusive) of each event with its padding, int64 [N, 2].

    The padding of a run of anomalous points is a tenth of its length, and at least 10 points, on either side: labels
    are not exact. Runs whose padding touches are one event, because the effect of a fault may pass through zero.
    """
    begins, ends = segments(labels).T
    pads = np.maximum(LEAST_PAD, np.ceil(PAD_SHARE * (ends - begins)).astype(int))
    edges = np.zeros(len(labels) + 1, dtype=int)
    np.add.at(edges, np.maximum(begins - pads, 0), 1)
    np.add.at(edges, np.minimum(ends + pads, len(labels)), -1)
    return segments(edges.cumsum()[:-1] > 0)


def events(labels: np.ndarray) -> np.ndarray:
    """Return begin and end (exclusive) of each event of `padded_spans`, without the padding, int64 [N, 2]."""
    begins, ends = segments(labels).T
    first, last = padded_spans(labels).T
    return np.stack([begins[np.searchsorted(begins, first)], ends[np.searchsorted(ends, last, side="right") - 1]], 1)


def levels(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the K distinct thresholds of scores [T] as levels, the highest first. Ties share a level.

    Returns
    -------
    level : ndarray, int64 [T]
        The level at which each point is first flagged.
    flagged : ndarray, int64 [K]
        How many points each level flags.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    flagged = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(scores) - 1) + 1
    level = np.empty(len(scores), np.int64)
    level[order] = np.repeat(np.arange(len(flagged)), np.diff(flagged, prepend=0))
    return level, flagged
