"""``events.csv`` and ``events.json``: the events of a series, for people and for other programs.

The names of columns and fields are stable. Positions count rows of the file, from 0; ``end`` is exclusive.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ape.core.files import read_json, write_json, write_text
from ape.monitor.answer import Answer
from ape.monitor.durations import expectation
from ape.monitor.event import Event

EVENTS_CSV, EVENTS_JSON = "events.csv", "events.json"
FORMAT = 1
COLUMNS = (
    "rank",
    "id",
    "start",
    "end",
    "peak",
    "start_time",
    "end_time",
    "peak_time",
    "score",
    "expected_every",
    "channels",
    "rule",
    "rule_probability",
    "reason",
)
NONE = "none of the rules"


def write_events(folder: Path, answer: Answer) -> None:
    """Write ``events.csv`` and ``events.json`` into a folder."""
    write_text(folder / EVENTS_CSV, events_frame(answer).to_csv(index=False))
    threshold = answer.threshold
    head = {"format": FORMAT, "series": answer.series.name, "threshold": threshold.level, "alerts": str(threshold.rate)}
    write_json(folder / EVENTS_JSON, {**head, "events": event_records(answer)})


def events_frame(answer: Answer) -> pd.DataFrame:
    """Return the events as the rows of ``events.csv``, the worst first."""
    records = event_records(answer)
    rows = [{**record, "channels": "; ".join(share["channel"] for share in record["channels"])} for record in records]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_events(folder: Path) -> dict[str, Any]:
    """Read ``events.json`` of a folder."""
    found: dict[str, Any] = read_json(folder / EVENTS_JSON, "list of events")
    return found


def event_records(answer: Answer) -> list[dict[str, Any]]:
    """Return the events as plain records, the worst first."""
    return [_record(rank, event, answer) for rank, event in enumerate(answer.events, 1)]


def _record(rank: int, event: Event, answer: Answer) -> dict[str, Any]:
    series = answer.series
    rows = series.point_rows
    rule, probability = event.rules[0] if event.rules else (None, None)
    return {
        "rank": rank,
        "id": f"event-{rows[event.peak]}",
        "start": int(rows[event.begin]),
        "end": int(rows[event.end - 1]) + 1,
        "peak": int(rows[event.peak]),
        "start_time": series.time_text(event.begin),
        "end_time": series.time_text(event.end - 1),
        "peak_time": series.time_text(event.peak),
        "score": round(event.score, 3),
        "expected_every": expectation(event.score, series.step, answer.threshold.trained).words,
        "channels": [{"channel": name, "share": round(share, 3)} for name, share in event.channels],
        "rule": rule or NONE if event.rules else None,
        "rule_probability": None if probability is None else round(probability, 3),
        "reason": event.reason,
        "ongoing": event.ongoing,
    }
