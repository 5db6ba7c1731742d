"""What is usual at an event: the normal stretches whose surroundings are most similar to those of the event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from ape.monitor.context import Context
from ape.monitor.event import Event
from ape.series.numerics import separated_minima

NEAREST = 5  # normal stretches
FEWEST = 2  # of fewer stretches the quantiles of all normal values are taken
SIMILAR = 4.0  # times the distance of the nearest one, up to which others are taken
UNRELATED = 2.0  # mean squared distance of two unrelated normal values, in variances: a nearest one beyond it is unlike
LEAST_MARGIN, SHORTEST_MARGIN = 64, 16  # samples that are compared on each side of an event; at least, with little data
CULPRITS = 5  # channels at fault that are compared
FARTHEST = 10.0  # standard deviations; beyond them surroundings are compared as if they were so far
EARLIER_OR_LATER = 2  # samples by which the band allows for other timing
QUANTILES = (0.005, 0.5, 0.995)


@dataclass(frozen=True, eq=False)
class Expected:
    """Usual values, in data units, float64 [n, C]. NaN where nothing is known.

    Parameters
    ----------
    low, middle, high : ndarray
        Lowest, median and highest value of the nearest normal stretches, or quantiles of all normal values.
    starts : ndarray, int64 [k]
        Where the nearest stretches begin among the normal values; empty if the values are quantiles.
    """

    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    starts: np.ndarray


def expected(event: Event, context: Context, begin: int | None = None, end: int | None = None) -> Expected:
    """Return what is usual from ``begin`` to ``end``, by default from the begin to the end of the event.

    The five normal stretches are taken whose surroundings are nearest to those of the event in the channels at fault:
    on each side as many samples as the event has, and at least 64, without those in any event. If there are too few
    normal data, or none with such surroundings, the quantiles of all normal values are returned.

    Parameters
    ----------
    event : Event
    context : Context
        Of the answer that the event belongs to.
    begin, end : int, optional
        Points of the series; they may lie outside of the event.
    """
    begin, end = event.begin if begin is None else begin, event.end if end is None else end
    offset = 0.0 if context.series.offset is None else context.series.offset
    starts = nearest(event, context)
    if len(context.points) == 0:
        nothing = np.full((end - begin, context.series.n_channels), np.nan)
        return Expected(nothing, nothing, nothing, starts)
    if len(starts) == 0:
        bands = np.quantile(context.normal[context.points].astype(np.float64), QUANTILES, axis=0)
        low, middle, high = np.repeat(bands[:, None], end - begin, axis=1) + offset
        return Expected(low, middle, high, starts)
    starts = starts + begin - event.begin
    values = stretches(context, starts, end - begin) + offset
    known = np.isfinite(values).any(axis=(0, 2))
    low, middle, high = np.full((3, *values.shape[1:]), np.nan)
    width = 2 * EARLIER_OR_LATER + 1
    middle[known] = np.nanmedian(values[:, known], axis=0)
    low[known] = ndimage.minimum_filter1d(np.nanmin(values[:, known], axis=0), width, axis=0, mode="nearest")
    high[known] = ndimage.maximum_filter1d(np.nanmax(values[:, known], axis=0), width, axis=0, mode="nearest")
    return Expected(low, middle, high, starts)


def stretches(context: Context, starts: np.ndarray, length: int) -> np.ndarray:
    """Return normal values from each start on, float64 [k, length, C]; NaN where there are none."""
    where = starts[:, None] + np.arange(length)
    inside = where.clip(0, len(context.normal) - 1)
    values = context.normal[inside].astype(np.float64)
    values[(inside != where) | ~context.usable[inside]] = np.nan
    return values


def nearest(event: Event, context: Context) -> np.ndarray:
    """Return where the normal stretches begin that are nearest to an event by their surroundings, int64 [k].

    The distance is Euclidean, over the standardised channels at fault. The result is empty if fewer than two are near.
    """
    length = event.end - event.begin
    room = (max((last - first for first, last in context.segments), default=0) - length) // 2
    margin = min(max(LEAST_MARGIN, length), room)
    if margin < SHORTEST_MARGIN:
        return np.zeros(0, dtype=np.int64)
    first, last = next(part for part in context.series.segments if part[0] <= event.begin < part[1])
    begin, end = max(first, event.begin - margin), min(last, event.end + margin)
    weight = (~context.abnormal[begin:end]).astype(np.float64)
    if weight.sum() < SHORTEST_MARGIN:
        return np.zeros(0, dtype=np.int64)
    culprits = [context.channel(name) for name, _ in event.channels[:CULPRITS]]
    query = _standardised(context, context.series.values[begin:end], culprits)
    distance = _distances(query, weight, _standardised(context, context.normal, culprits))
    fits = np.zeros(len(distance), dtype=bool)
    for first, last in context.segments:
        fits[first : max(first, last - (end - begin) + 1)] = True
    distance[~fits] = np.inf
    limit = UNRELATED * weight.sum() * len(culprits)
    found: list[int] = []
    for start in separated_minima(distance, max(length, SHORTEST_MARGIN)):
        if not found:
            limit = min(limit, SIMILAR * distance[start])
        if len(found) == NEAREST or distance[start] > limit:
            break
        found.append(start)
    return np.array(found if len(found) >= FEWEST else [], dtype=np.int64) + event.begin - begin


def _standardised(context: Context, values: np.ndarray, channels: list[int]) -> np.ndarray:
    """Return channels in standard deviations, float64 [n, channels]."""
    scaled = (values[:, channels] - context.centre[channels]) / context.scale[channels]
    return np.clip(scaled, -FARTHEST, FARTHEST)


def _distances(query: np.ndarray, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted squared distance of ``query`` [m, c] to all windows of ``values`` [n, c], [n - m + 1]."""
    count = len(values) - len(query) + 1
    size = fft.next_fast_len(len(values), real=True)

    def slide(kernel: np.ndarray, signal: np.ndarray) -> np.ndarray:
        product = fft.rfft(signal, size, axis=0) * np.conj(fft.rfft(kernel, size, axis=0))
        return np.asarray(fft.irfft(product, size, axis=0)[:count].sum(axis=1))

    weights = np.broadcast_to(weight[:, None], query.shape)
    cross = slide(weights * query, values)
    return np.maximum((weights * query**2).sum() - 2 * cross + slide(weights, values**2), 0.0)
