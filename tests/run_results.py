"""Results of runs that tests of the report share; no detector is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from ape.monitor import AlertRate, Event, Threshold
from ape.monitor.context import Context
from ape.monitor.durations import expectation
from ape.runs.result import Result
from ape.series import Series


def result_of(series: Series, *spans: tuple[int, int, float, tuple[str, ...]], level: float = 3.0) -> Result:
    """Return a result with events (begin, end, score, channels); the score is 1 elsewhere."""
    score, abnormal = np.ones(series.length), np.zeros(series.length, dtype=bool)
    events, records = [], list[dict[str, Any]]()
    trained = series.train_end or series.length
    for begin, end, height, channels in spans:
        score[begin:end], abnormal[begin:end] = height, True
        shares = tuple((name, 1 / len(channels)) for name in channels)
        events.append(Event(begin, end, begin, height, shares, (), end == series.length, reason="unlike all"))
        chance = expectation(height, series.step, trained)
        records.append(
            {
                "rank": len(events),
                "id": f"event-{begin}",
                "start": begin,
                "end": end,
                "ongoing": end == series.length,
                "score": height,
                "expected_every": chance.words,
                "expected_every_points": chance.points,
                "rarer": chance.rarer,
                "channels": [{"channel": name, "share": share, "text": None} for name, share in shares],
                "rule": None,
                "rule_probability": None,
                "rules": [],
                "reason": "unlike all",
            }
        )
    threshold = Threshold(level, AlertRate(1, "training part"), series.step, trained)
    usable = np.arange(series.length) < trained
    context = Context(series, abnormal, series.values, usable & ~abnormal, [(0, trained)], threshold, None, "the text")
    return Result(series, score, threshold, tuple(events), records, context)
