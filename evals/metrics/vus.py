"""Volume under the surface: area under the PR or ROC curve with soft event edges, averaged over their width."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import levels, segments, validate, validate_both_classes

BUFFER = 100  # points, the largest buffer length


def vus_pr(labels: ArrayLike, scores: ArrayLike, buffer: int = BUFFER, thresholds: int | None = None) -> float:
    """Compute the volume under the precision-recall surface, over all distinct thresholds.

    Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, "Volume under the surface: a new accuracy evaluation
    measure for time-series anomaly detection", PVLDB 15(11), 2022. The form is that of the authors' package ``vus``
    (its default, ``opt``) and of TSB-AD. For each buffer length l from 0 to ``buffer``:

    - A normal point at distance d <= l // 2 from the first or last point of an event has the soft label
      sqrt(1 - d / l). Labels from several events add up, to 1 at most. Anomalous points have label 1.
    - TP is the sum of the labels of flagged points. P_l is the number of anomalous points plus half the sum of the soft
      labels of flagged points.
    - Recall is min(TP / P_l, 1) times the share of regions with a flagged point. A region is an event with its two
      buffers; regions that share a point count as one. Precision is TP over the number of flagged points.
    - The area is the sum over thresholds of (R_k - R_{k-1}) P_k.

    The volume is the mean of the areas. A score that ranks every anomalous point above every normal one gets 1.

    Departure: the authors read the curve at 250 ranks. On rare events even a perfect score then stays far below 1
    (about 0.5 for 100 of 50 000 points). Here every distinct threshold counts. ``thresholds=250`` gives the authors'
    figure.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.
    buffer : int
        Largest buffer length L in points. A larger L gives larger values, so compare at one L only. The default of
        100 is the fallback of TSB-AD's ``get_metrics``. Its scripts estimate L from the data, which differs between
        series.
    thresholds : int, optional
        Read the curve at this number of evenly spaced ranks instead, at least 2.

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, lengths that differ, a negative buffer, or fewer than 2
        thresholds.
    """
    truth, values = validate(labels, scores)
    flagged, curves = _surface(truth, values, buffer, thresholds)
    return float(np.mean([np.sum(np.diff(recall, prepend=0) * (detected / flagged)) for recall, detected, _ in curves]))


def vus_roc(labels: ArrayLike, scores: ArrayLike, buffer: int = BUFFER, thresholds: int | None = None) -> float:
    """Compute the volume under the ROC surface, over all distinct thresholds.

    As `vus_pr`. The true positive rate is the recall there, the false positive rate is (flagged - TP) / (T - P_l). The
    area is that of the trapezoids from (0, 0) through all thresholds to (1, 1).

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.
    buffer : int
        Largest buffer length L in points.
    thresholds : int, optional
        Read the curve at this number of evenly spaced ranks instead, at least 2.

    Raises
    ------
    InputError
        No anomalous or no normal point, scores that are not finite, lengths that differ, a negative buffer, or fewer
        than 2 thresholds.
    """
    truth, values = validate_both_classes(labels, scores)
    flagged, curves = _surface(truth, values, buffer, thresholds)
    areas = []
    for recall, detected, positives in curves:
        false_rate = (flagged - detected) / (len(truth) - positives)
        areas.append(np.trapezoid(np.concatenate([[0], recall, [1]]), np.concatenate([[0], false_rate, [1]])))
    return float(np.mean(areas))


def _surface(
    truth: np.ndarray, scores: np.ndarray, buffer: int, thresholds: int | None
) -> tuple[np.ndarray, Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Return flagged points at each of K thresholds, and an iterator of recall, TP and P_l [K] over buffer lengths."""
    if buffer < 0:
        raise InputError(f"buffer of {buffer} points", "VUS", "give 0 or more points")
    if thresholds is not None and thresholds < 2:
        raise InputError(f"{thresholds} thresholds", "VUS", "give 2 or more, or None for all")
    level, flagged = levels(scores)
    events = segments(truth)
    position, counts = _buffers(truth, events, buffer // 2)
    used = np.zeros(len(flagged), bool)
    if thresholds is None:
        # The curves are straight between their corners, so the corners are enough: the levels of points with a label
        # and the levels just before them.
        used[level[truth]] = used[level[position]] = True
        used[:-1] |= used[1:].copy()
        used[-1] = True
    else:
        grid = np.linspace(0, len(scores) - 1, thresholds).astype(int)
        used[np.searchsorted(flagged, grid, side="right")] = True
    slot = (np.cumsum(used) - used)[level]  # index of the first used level that flags each point
    return flagged[used], _curves(truth, events, slot, int(used.sum()), buffer, position, counts)


def _buffers(truth: np.ndarray, events: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each pair of an event and a normal point near it, by distance, and pairs per distance."""
    distance = np.arange(1, reach + 1)[:, None]
    position = np.concatenate([events[:, 0] - distance, events[:, 1] - 1 + distance], axis=1)
    valid = (position >= 0) & (position < len(truth))
    valid[valid] = ~truth[position[valid]]
    return position[valid], valid.sum(axis=1)


def _curves(
    truth: np.ndarray,
    events: np.ndarray,
    slot: np.ndarray,
    size: int,
    buffer: int,
    position: np.ndarray,
    counts: np.ndarray,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield recall, TP and P_l at each used threshold, for each buffer length from 0 to ``buffer``."""
    hard = np.bincount(slot[truth], minlength=size).cumsum()
    near, pair = np.unique(position, return_inverse=True)
    near_slot, pairs = slot[near], np.concatenate([[0], counts.cumsum()])
    begin, last = events[:, 0], events[:, 1] - 1
    first = np.minimum.reduceat(np.append(slot, size), events.ravel())[::2]  # slot where each region is first hit
    for length in range(buffer + 1):
        reach = length // 2
        if length % 2 == 0:
            for edge in (np.maximum(begin - reach, 0), np.minimum(last + reach, len(slot) - 1)):
                first = np.minimum(first, slot[edge])
            apart = np.flatnonzero(np.append(True, last[:-1] + reach < begin[1:] - reach))
            hit = np.bincount(np.minimum.reduceat(first, apart), minlength=size).cumsum() / len(apart)
        weight = np.repeat(np.sqrt(1 - np.arange(1, reach + 1) / max(length, 1)), counts[:reach])
        label = np.minimum(np.bincount(pair[: pairs[reach]], weight, minlength=len(near)), 1)
        soft = np.bincount(near_slot, label, minlength=size).cumsum()
        detected, positives = hard + soft, hard[-1] + soft / 2
        yield np.minimum(detected / positives, 1) * hit, detected, positives
