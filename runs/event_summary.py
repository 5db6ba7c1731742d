"""The events of a run as plain data, for the conversation and its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ape.monitor.times import span_text
from ape.runs.result import Result

MOST = 10  # events


def event_summary(result: Result, numbers: Sequence[int] | None = None) -> dict[str, Any]:
    """Return events with their times in words, and what the threshold means.

    Parameters
    ----------
    result : Result
    numbers : sequence of int, optional
        Of the events, the worst is 0. By default the worst ones.

    Returns
    -------
    dict
        ``count`` of all events; ``threshold``, a score; ``accepted_false_alarms``; ``whole_series``, whether events are
        looked for in the part that the detector has learned, too; ``events``, in the order of ``numbers``, with the
        ``reason`` in one sentence, and ``what`` it is without the time and the chance.
    """
    shown = range(min(MOST, len(result.events))) if numbers is None else numbers
    return {
        "count": len(result.events),
        "threshold": round(result.threshold.level, 2),
        "accepted_false_alarms": str(result.threshold.rate),
        "whole_series": result.series.train_end is None,
        "events": [_summary(result, number) for number in shown],
    }


def _summary(result: Result, number: int) -> dict[str, Any]:
    event, record = result.events[number], result.records[number]
    when = span_text(result.series, event.begin, event.end)
    return {
        "rank": record["rank"],
        "when": when,
        "channels": [name for name, _ in event.channels],
        "like": record["rule"],
        "probability": record["rule_probability"],
        "score": round(event.score, 1),
        "by_chance_once_in": record["expected_every"],
        "reason": event.reason,
        "what": _what(event.reason, when),
    }


def _what(reason: str, when: str) -> str:
    """Return a reason without the time and the chance, which stand beside it."""
    return reason.removeprefix(f"{when}, ").split("; expected by chance ")[0]
