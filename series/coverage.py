"""Sample a long series: stretches that cover what happens in it, so that cost does not grow with its length."""

from __future__ import annotations

import numpy as np

from ape.series.windows import Segments, clip, count_points, points, usable

MOST = 50_000  # points of a long training part that are used
STRETCH = 2048  # points of a stretch
BINS = 64  # in which two stretches are compared
SPACED = 0.5  # share of the stretches that are spaced evenly in time; the others are unlike all that are chosen


def covering(values: np.ndarray, segments: Segments, newest: int = 0) -> Segments:
    """Return the segments, or a sample of them if they have more than `MOST` points.

    The sample holds the newest points, and stretches of the others. Half of these are spaced evenly, so that they show
    what is usual at all times. Each further one is that which differs most from all chosen so far (k-center clustering,
    Gonzalez 1985), so that what is rare in the training part is among the references too.

    Parameters
    ----------
    values : ndarray [n, C]
    segments : sequence of (int, int)
        Half-open, in order.
    newest : int
        Points at the end that are all used.

    Returns
    -------
    sequence of (int, int)
        Within the segments, in order.
    """
    if count_points(segments) <= MOST:
        return segments
    rest = int(points(segments)[-newest]) if newest else len(values)
    cut = [
        (begin, min(begin + STRETCH, last))
        for first, last in clip(segments, 0, rest)
        for begin in range(first, last, STRETCH)
    ]
    stretches = usable(cut, BINS)
    chosen = _chosen(_described(values, stretches), (MOST - newest) // STRETCH) if stretches else []
    kept = [stretches[k] for k in chosen] + clip(segments, rest, len(values))
    return _merged(kept, {begin for begin, _ in segments})


def _described(values: np.ndarray, stretches: Segments) -> np.ndarray:
    """Return level and spread of each channel in each of 64 parts of the stretches, in usual sizes, [S, D]."""
    parts = [np.array_split(values[begin:end], BINS) for begin, end in stretches]
    figures = np.array([[np.concatenate([part.mean(0), part.std(0)]) for part in own] for own in parts])  # [S, 64, 2 C]
    scale = figures.std(axis=(0, 1))
    return (figures / np.where(scale > 0, scale, 1)).reshape(len(stretches), -1)


def _chosen(described: np.ndarray, count: int) -> list[int]:
    """Return which stretches are used, in order."""
    chosen = np.linspace(0, len(described) - 1, int(SPACED * count)).astype(int).tolist()
    distance = np.min([np.square(described - described[k]).sum(axis=1) for k in chosen], axis=0)
    while len(set(chosen)) < min(count, len(described)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.square(described - described[chosen[-1]]).sum(axis=1))
    return sorted(set(chosen))


def _merged(stretches: Segments, begins: set[int]) -> Segments:
    """Join stretches that touch, unless a segment begins between them."""
    merged = [stretches[0]]
    for begin, end in stretches[1:]:
        if begin == merged[-1][1] and begin not in begins:
            merged[-1] = merged[-1][0], end
        else:
            merged.append((begin, end))
    return tuple(merged)
