"""Volume under the surface: areas under ROC and PR curves with soft edges of events, averaged over the edges' width."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import both_kinds, checked, levels, segments

BUFFER = 100


def vus_pr(labels: ArrayLike, scores: ArrayLike, buffer: int = BUFFER, thresholds: int | None = None) -> float:
    """Volume under the precision-recall surface, over all distinct thresholds.

    Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, "Volume under the surface: a new accuracy evaluation
    measure for time-series anomaly detection", PVLDB 15(11), 2022; in the form of the authors' package ``vus`` (its
    default, ``opt``) and of TSB-AD. For each buffer length l from 0 to ``buffer``:

    - A normal point at distance d <= l // 2 from the first or last point of an event has the soft label
      sqrt(1 - d / l); labels from several events add up, to 1 at most. Anomalous points keep 1.
    - TP is the sum of the labels of flagged points. P_l is the mean of the number of anomalous points and of that
      number with the soft labels added: those of flagged points alone.
    - Recall is min(TP / P_l, 1) times the share of regions with a flagged point. A region is an event with its two
      buffers; those that share a point are one. Precision is TP over the number of flagged points.
    - The area is the sum over thresholds of (R_k - R_{k-1}) P_k.

    The volume is the mean of the areas. A score that ranks every anomalous point above every normal one gets 1.

    Departure: the authors read the curve at 250 ranks, so that on rare events even such a score stays far below 1
    (about 0.5 for 100 of 50 000 points). Here every distinct threshold counts; give ``thresholds=250`` for their
    number.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.
    buffer : int
        L, the largest buffer length, in points. Larger ones give larger values, so compare at one L only. The default
        of 100 is what TSB-AD's ``get_metrics`` falls back on; an L estimated from the data, as in its scripts, changes
        from series to series.
    thresholds : int, optional
        Read the curve at so many evenly spaced ranks instead, at least 2.

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, lengths that differ, a negative buffer, or fewer than 2
        thresholds.
    """
    truth, given = checked(labels, scores)
    flagged, curves = _surface(truth, given, buffer, thresholds)
    return float(np.mean([np.sum(np.diff(recall, prepend=0) * (found / flagged)) for recall, found, _ in curves]))


def vus_roc(labels: ArrayLike, scores: ArrayLike, buffer: int = BUFFER, thresholds: int | None = None) -> float:
    """Volume under the surface of true against false positive rates, over all distinct thresholds.

    As `vus_pr`, with the recall there as the rate of true positives, and (flagged - TP) / (T - P_l) as that of false
    ones. The area is that of the trapezoids from (0, 0) through all thresholds to (1, 1).

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.
    buffer : int
        L, the largest buffer length, in points.
    thresholds : int, optional
        Read the curve at so many evenly spaced ranks instead, at least 2.

    Raises
    ------
    InputError
        No anomalous or no normal point, scores that are not finite, lengths that differ, a negative buffer, or fewer
        than 2 thresholds.
    """
    truth, given = both_kinds(labels, scores)
    flagged, curves = _surface(truth, given, buffer, thresholds)
    areas = []
    for recall, found, positives in curves:
        false_rate = (flagged - found) / (len(truth) - positives)
        areas.append(np.trapezoid(np.concatenate([[0], recall, [1]]), np.concatenate([[0], false_rate, [1]])))
    return float(np.mean(areas))


def _surface(
    truth: np.ndarray, scores: np.ndarray, buffer: int, thresholds: int | None
) -> tuple[np.ndarray, Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Flagged points at each kept threshold [K]; then for each buffer length recall, TP and P_l [K]."""
    if buffer < 0:
        raise InputError(f"a buffer of {buffer} points", "VUS", "give 0 or more")
    if thresholds is not None and thresholds < 2:
        raise InputError(f"{thresholds} thresholds", "VUS", "give 2 or more, or none for all")
    level, flagged = levels(scores)
    events = segments(truth)
    position, counts = _buffers(truth, events, buffer // 2)
    kept = np.zeros(len(flagged), bool)
    if thresholds is None:
        # Elsewhere recall stands still and the curves run straight, so their corners are enough: the levels of points
        # with a label, and those just before.
        kept[level[truth]] = kept[level[position]] = True
        kept[:-1] |= kept[1:].copy()
        kept[-1] = True
    else:
        grid = np.linspace(0, len(scores) - 1, thresholds).astype(int)
        kept[np.searchsorted(flagged, grid, side="right")] = True
    slot = (np.cumsum(kept) - kept)[level]  # the first kept level that flags a point
    return flagged[kept], _curves(truth, events, slot, int(kept.sum()), buffer, position, counts)


def _buffers(truth: np.ndarray, events: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal points near each event, by growing distance, one position a pair; and the pairs at each distance."""
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
    """Recall, TP and P_l at each kept threshold, for each buffer length from 0 to ``buffer``."""
    hard = np.bincount(slot[truth], minlength=size).cumsum()
    near, pair = np.unique(position, return_inverse=True)
    near_slot, pairs = slot[near], np.concatenate([[0], counts.cumsum()])
    begin, last = events[:, 0], events[:, 1] - 1
    first = np.minimum.reduceat(np.append(slot, size), events.ravel())[::2]  # where each region is hit first
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
        found, positives = hard + soft, hard[-1] + soft / 2
        yield np.minimum(found / positives, 1) * hit, found, positives
