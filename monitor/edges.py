"""Sharpen where an event begins and ends: where its values begin and cease to be unusual."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ape.monitor.context import Context
from ape.monitor.event import Event
from ape.monitor.expected import expected
from ape.monitor.spans import JOINED
from ape.series.series import runs
from ape.series.standstills import standstills

LEAST_ROOM = 64  # samples that an event may grow on each side; or its length
BY_VALUE = {"level", "peak", "ramp"}  # findings that compare values with those that are usual
PART = 0.2  # of the typical deviation: values that deviate less do not belong to the event
FEWEST = 0.1  # share of an event's points that deviate; of fewer, nothing is concluded
OVERLAP = 0.2  # share of an event that a run of equal or absent values has to cover, or
LONG = 32  # samples of it


def sharpened(event: Event, context: Context) -> Event:
    """Return the event with begin and end where its first channel begins and ceases to be unusual.

    A score is high wherever its windows contain points of the anomaly. So an event of a level begins with the first
    value outside of the usual band that is near the others, and one of a standstill with the standstill itself. Other
    events stay as they are. The constants were chosen on the tuning half of TimeAnomaly-Bench.

    Parameters
    ----------
    event : Event
        With its findings.
    context : Context
    """
    kind = event.findings[0].kind if event.findings else ""
    if kind in BY_VALUE:
        found = _deviating(event, context)
    elif kind in ("stuck", "missing"):
        found = _run(event, context, kind)
    else:
        return event
    first = context.series.train_end or 0
    begin, end = max(found[0], first), found[1]
    peak = min(max(event.peak, begin), end - 1)
    return replace(event, begin=begin, end=end, peak=peak, ongoing=end == context.series.length)


def joined(events: Iterable[Event]) -> list[Event]:
    """Join events that overlap; the one with the higher score is kept, from the first begin to the last end."""
    merged: list[Event] = []
    for event in sorted(events, key=lambda event: event.begin):
        if merged and event.begin < merged[-1].end:
            last = merged.pop()
            worse = max(last, event, key=lambda event: event.score)
            ongoing = last.ongoing or event.ongoing
            event = replace(worse, begin=last.begin, end=max(last.end, event.end), ongoing=ongoing)
        merged.append(event)
    return merged


def _run(event: Event, context: Context, kind: str) -> tuple[int, int]:
    """Return where values of the first channel are equal, or absent."""
    series, channel = context.series, context.channel(event.findings[0].channel)
    if kind == "missing":
        begins, ends = runs(series.absent[:, channel], [gap.position for gap in series.gaps])
    else:  # a channel that is dead for long counts as missing otherwise
        begins, ends = standstills(replace(series, missing=series.absent, dead=None), channel)
    common = np.minimum(ends, event.end) - np.maximum(begins, event.begin)
    chosen = np.flatnonzero(common >= min(OVERLAP * (event.end - event.begin), LONG))
    if len(chosen) == 0:
        return event.begin, event.end
    return int(begins[chosen[0]]), int(ends[chosen[-1]])


def _deviating(event: Event, context: Context) -> tuple[int, int]:
    """Return where values are outside of the usual band, on the side on which they mostly are."""
    series, length = context.series, event.end - event.begin
    room = max(LEAST_ROOM, length)
    first, last = next(part for part in series.segments if part[0] <= event.begin < part[1])
    begin, end = max(first, event.begin - room), min(last, event.end + room)
    usual = expected(event, context, begin, end)
    if len(usual.starts) == 0:  # without similar surroundings, usual values may be anything
        return event.begin, event.end
    channels = [context.channel(found.channel) for found in event.findings if found.kind in BY_VALUE]
    values, scale = series.exact_between(begin, end)[:, channels], context.scale[channels]
    above = np.nan_to_num((values - usual.high[:, channels]) / scale)
    below = np.nan_to_num((usual.low[:, channels] - values) / scale)
    inside = slice(event.begin - begin, event.end - begin)
    high = above[inside].clip(min=0).sum(axis=0) >= below[inside].clip(min=0).sum(axis=0)
    deviation = np.where(high, above, below).max(axis=1)
    outside = deviation[inside] > 0
    if outside.mean() < FEWEST:
        return event.begin, event.end
    begins, ends = runs(deviation >= PART * np.median(deviation[inside][outside]))
    apart = begins[1:] - ends[:-1] > JOINED
    begins, ends = begins[np.append(True, apart)], ends[np.append(apart, True)]
    near = (begins < inside.stop) & (ends > inside.start)
    return begin + int(begins[near][0]), begin + int(ends[near][-1])
