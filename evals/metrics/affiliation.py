"""Affiliation precision and recall: how close predictions and events are, compared with chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import segments, validate

CELLS = 4  # per point; both integrands are linear within a cell, so its middle gives the exact integral


class Affiliation(NamedTuple):
    """Precision, recall and their harmonic mean, each in [0, 1].

    Attributes
    ----------
    precision : float
        Mean over the events with predictions in their zone. 0 without any prediction.
    recall : float
        Mean over all events.
    f1 : float
        Harmonic mean of the two means. 0 where both are 0.
    """

    precision: float
    recall: float
    f1: float


def affiliation(labels: ArrayLike, predictions: ArrayLike) -> Affiliation:
    """Compute how close predictions are to events and events to predictions, compared with random points.

    Huet, Navarro and Rossi, "Local evaluation of time series anomaly detection algorithms", KDD 2022. Point t is the
    interval [t, t + 1). Each event owns the zone of all instants nearer to it than to other events.

    - Precision is the mean over the predicted instants of a zone. Each instant counts the chance that a uniform
      instant of the zone is farther from the event. It counts 1 inside the event.
    - Recall is the mean over the instants of the event. Each counts the chance that a uniform instant of the zone is
      farther from it than the nearest prediction of the zone.

    A random prediction gets precision near 0.5 and recall near 1, so F1 near 0.67: never use F1 alone.

    Departure: without any prediction the authors' precision is not a number; here precision and F1 are 0.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    predictions : array [T]
        1 where a point is flagged, else 0.

    Raises
    ------
    InputError
        No anomalous point, predictions other than 0 and 1, or lengths that differ.
    """
    truth, values = validate(labels, predictions)
    if not np.isin(values, (0, 1)).all():
        raise InputError("predictions other than 0 and 1", "affiliation", "give 1 where a point is flagged, else 0")
    events = segments(truth)
    edges = np.concatenate([[0], (events[:-1, 1] + events[1:, 0]) / 2, [len(truth)]])
    middles = (np.arange(CELLS * len(truth)) + 0.5) / CELLS
    zone = np.searchsorted(edges[1:-1], middles)
    begin, end = (side[zone] for side in events.T)
    left, right = edges[zone], edges[zone + 1]
    event, flagged = np.repeat(truth, CELLS), np.repeat(values == 1, CELLS)

    away = np.maximum(np.maximum(begin - middles, middles - end), 0)
    nearer = end - begin + np.minimum(away, begin - left) + np.minimum(away, right - end)
    chance = np.where(event, 1, 1 - nearer / (right - left))
    cells = np.bincount(zone[flagged], minlength=len(events))
    hit = cells > 0
    sums = np.bincount(zone[flagged], chance[flagged], minlength=len(events))
    precision = float(np.mean(sums[hit] / cells[hit])) if hit.any() else 0.0

    away = _distance(flagged, zone, middles)
    nearer = np.minimum(away, middles - left) + np.minimum(away, right - middles)
    chance = 1 - nearer / (right - left)
    recall = float(np.mean(np.bincount(zone[event], chance[event]) / np.bincount(zone[event])))
    return Affiliation(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def _distance(flagged: np.ndarray, zone: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Return the distance in points from each cell's middle to the nearest flagged instant of its zone, or infinity."""
    cell = np.arange(len(flagged))
    before = np.maximum.accumulate(np.where(flagged, cell, -1))
    after = np.minimum.accumulate(np.where(flagged, cell, len(flagged))[::-1])[::-1]
    since = np.where((before >= 0) & (zone[before] == zone), middles - (before + 1) / CELLS, np.inf)
    until = np.where((after < len(flagged)) & (zone[after - len(flagged)] == zone), after / CELLS - middles, np.inf)
    return np.where(flagged, 0, np.minimum(since, until))
