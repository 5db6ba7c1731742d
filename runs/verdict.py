"""The verdict of a run in two sentences: the events, and the number of alarms expected by chance."""

from __future__ import annotations

import numpy as np

from ape.core.alert_rates import TRAINING
from ape.monitor.durations import duration_text, number_text
from ape.monitor.times import span_text
from ape.runs.result import Result

MOST_CHANNELS = 3  # that are named


def verdict(result: Result) -> tuple[str, str]:
    """Return the two sentences."""
    return _found(result), _by_chance(result)


def searched_text(result: Result) -> str:
    """Return where events were looked for: ``the 4 days after the training part``, or ``all 4,000 points``."""
    series, searched = result.series, result.searched
    long = _length(searched.stop - searched.start, series.step)
    return f"the {long.removeprefix('1 ')} after the training part" if series.train_end else f"all {long}"


def lasts(result: Result, event_number: int) -> str:
    """Return how long an event lasts, in words."""
    event = result.events[event_number]
    return _length(event.end - event.begin, result.series.step)


def channels_text(names: list[str]) -> str:
    """Name the first channels, and count the others."""
    more = len(names) - MOST_CHANNELS
    return ", ".join(names[:MOST_CHANNELS]) + (f" and {more} more" if more > 0 else "")


def false_alarms(result: Result) -> float:
    """Return how many points of the searched part are expected to reach the threshold by chance."""
    scored = int(np.isfinite(result.score[result.searched]).sum())
    return scored * 10.0**-result.threshold.level


def _found(result: Result) -> str:
    series, where = result.series, searched_text(result)
    if not result.events:
        scores = result.score[result.searched]
        if not np.isfinite(scores).any():
            return f"No event was found in {where}, because no point of it has a score."
        peak = result.searched.start + int(np.nanargmax(scores))
        high = f"{result.score[peak]:.1f} at {span_text(series, peak, peak + 1)}"
        return f"No event was found in {where}: the highest score, {high}, is below {result.threshold.level:.1f}."
    worst = result.events[0]
    when = span_text(series, worst.begin, worst.end)
    place = f"{when}, in {channels_text([name for name, _ in worst.channels])}"
    going_on = ", and it still goes on at the end of the data" if worst.ongoing else ""
    count = len(result.events)
    if count == 1:
        return f"One event was found in {where}: {place}{going_on}."
    return f"{count} events were found in {where}; the worst: {place}{going_on}."


def _by_chance(result: Result) -> str:
    threshold = result.threshold
    rate = f"{threshold.rate.number:g} false alarm{'s' * (threshold.rate.number != 1)}"
    per = "a time as long as the training part" if threshold.rate.per == TRAINING else f"a {threshold.rate.per}"
    most = number_text(false_alarms(result), 2)
    sentence = f"The threshold accepts {rate} in {per}: by chance alone, expect about {most} here"
    if not result.events:
        return f"{sentence}."
    chance = result.chance(0)
    which = "this event" if len(result.events) == 1 else "the worst event"
    return f"{sentence}, and a score as high as that of {which} {chance.once}."


def _length(points: int, step: float | None) -> str:
    if step is None:
        return f"{points:,} point{'s' * (points != 1)}"
    return duration_text(points * step)
