"""Merge high scores into spans with hysteresis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ape.series.series import runs

BELOW = 1.0  # how far below the threshold the score may fall inside a span: there it is ten times as common
STRONG = 2.0  # times the threshold; a span with such a peak ends where the score falls to half of the peak
JOINED = 16  # samples between two spans that are always joined
JOINED_SHARE = 0.5  # or this share of the longer one


class Span(NamedTuple):
    """A span of high scores, ``begin`` to ``end`` (exclusive), and its highest score."""

    begin: int
    end: int
    peak: float


def spans(score: np.ndarray, level: float, cuts: Sequence[int] = (), young: np.ndarray | None = None) -> list[Span]:
    """Return where scores reach a level, in order of time.

    A span is a run of scores that are at most 1 below the level and reach it. If its peak is twice the level or higher,
    only the parts count that reach half of the peak: far above all normal scores, the shoulders of the score come
    from windows that contain some points of the anomaly. A part ends where the score falls below the level. Spans that
    are close for their lengths are joined. The constants were chosen on the tuning half of TimeAnomaly-Bench.

    Parameters
    ----------
    score : ndarray [T]
        NaN counts as low.
    level : float
    cuts : sequence of int
        Positions that no span crosses: first points after gaps.
    young : ndarray, bool [T], optional
        Points whose scores are too provisional to raise an alarm. They only prolong one.
    """
    known = np.nan_to_num(score, nan=-np.inf)
    counts = known if young is None else np.where(young, -np.inf, known)
    found = []
    for begin, end in zip(*runs(known >= level - BELOW, cuts), strict=True):
        if counts[begin:end].max() < level:
            continue
        peak = float(known[begin:end].max())
        found += [Span(int(begin), int(end), peak)] if peak < STRONG * level else _strong(known, begin, end, level)
    return _joined(found, cuts)


def _strong(score: np.ndarray, begin: int, end: int, level: float) -> list[Span]:
    """Return the parts of a run of scores that reach half of its peak; below the level, a part ends."""
    half = score[begin:end].max() / 2
    parts = []
    for first, last in zip(*(begin + each for each in runs(score[begin:end] >= level)), strict=True):
        high = first + np.flatnonzero(score[first:last] >= half)
        if len(high):
            parts.append(Span(int(high[0]), int(high[-1]) + 1, float(score[high].max())))
    return parts


def _joined(found: list[Span], cuts: Sequence[int]) -> list[Span]:
    edges = np.asarray(cuts)
    while True:
        merged: list[Span] = []
        for span in found:
            if merged and _close(merged[-1], span) and not ((merged[-1].end <= edges) & (edges <= span.begin)).any():
                last = merged.pop()
                span = Span(last.begin, span.end, max(last.peak, span.peak))
            merged.append(span)
        if len(merged) == len(found):
            return merged
        found = merged


def _close(first: Span, second: Span) -> bool:
    return second.begin - first.end <= reach(max(first.end - first.begin, second.end - second.begin))


def reach(length: int) -> float:
    """Return how far from a span of a length, in samples, a shorter one is joined to it."""
    return max(JOINED, JOINED_SHARE * length)
