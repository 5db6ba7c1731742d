"""``events.csv`` and ``events.json``: the events of a series, for people and for other programs.

The names of columns and fields are stable. Positions count rows of the file, from 0; ``end`` is exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape.core.files import read_json, write_json, write_text
from ape.core.run_files import EVENTS_CSV, EVENTS_JSON, remedy
from ape.core.validation import validated
from ape.monitor.answer import Answer
from ape.monitor.durations import expectation
from ape.monitor.event import Event, Finding
from ape.monitor.event_schema import ChannelRecord, EventFile, EventRecord, QuietRecord, RuleRecord
from ape.monitor.quiet import Quieted
from ape.monitor.reason import rule_named

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
LEAST_PROBABILITY = 0.05  # of a rule that is written


def write_events(folder: Path, answer: Answer) -> None:
    """Write ``events.csv`` and ``events.json`` into a folder."""
    write_text(folder / EVENTS_CSV, events_frame(answer).to_csv(index=False))
    write_json(folder / EVENTS_JSON, event_file(answer).model_dump(mode="json"))


def events_frame(answer: Answer) -> pd.DataFrame:
    """Return the events as the rows of ``events.csv``, the worst first."""
    return frame_of(event_records(answer))


def frame_of(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return events of ``events.json`` as rows of ``events.csv``."""
    rows = [{**record, "channels": "; ".join(share["channel"] for share in record["channels"])} for record in records]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_events(folder: Path) -> dict[str, Any]:
    """Read ``events.json`` of a folder.

    Raises
    ------
    InputError
        It is missing, or not such a file.
    """
    path = folder / EVENTS_JSON
    obj, hint = read_json(path, "list of events"), remedy(path, "score the series again")
    return validated(EventFile, obj, "not a list of events", path, hint).model_dump(mode="json")


def event_file(answer: Answer) -> EventFile:
    """Return what ``events.json`` contains."""
    series, threshold = answer.series, answer.threshold
    rows = series.point_rows
    return EventFile(
        series=series.name,
        rows=len(series.row_points),
        train_end=None if series.train_end is None else int(np.searchsorted(series.row_points, series.train_end)),
        step=series.step,
        threshold=round(threshold.level, 4),
        alerts=str(threshold.rate),
        events=[_record(rank, event, answer, rows) for rank, event in enumerate(answer.events, 1)],
        quiet=[_quiet(each, answer, rows) for each in answer.quiet],
    )


def event_records(answer: Answer) -> list[dict[str, Any]]:
    """Return the events as plain records, the worst first."""
    records: list[dict[str, Any]] = event_file(answer).model_dump(mode="json")["events"]
    return records


def _record(rank: int, event: Event, answer: Answer, rows: np.ndarray) -> EventRecord:
    chance = expectation(event.score, answer.series.step, answer.threshold.trained)
    best = event.rules[0] if event.rules else None
    return EventRecord(
        rank=rank,
        id=f"event-{rows[event.peak]}",
        **_place(event, answer, rows),
        peak=int(rows[event.peak]),
        peak_time=_time(event.peak, answer, rows),
        ongoing=event.ongoing,
        score=round(event.score, 3),
        expected_every=chance.words,
        expected_every_points=chance.points,
        rarer=chance.rarer,
        channels=_channels(event),
        rule=best[0] or NONE if best else None,
        rule_probability=round(best[1], 3) if best else None,
        rules=[_rule(*each, answer) for each in event.rules if each[1] >= LEAST_PROBABILITY],
        reason=event.reason,
    )


def _quiet(each: Quieted, answer: Answer, rows: np.ndarray) -> QuietRecord:
    return QuietRecord(**_place(each, answer, rows), score=round(each.score, 3), rule=each.rule, reason=each.reason)


def _place(span: Event | Quieted, answer: Answer, rows: np.ndarray) -> dict[str, Any]:
    """Return the fields that say where a span is."""
    return {
        "start": int(rows[span.begin]),
        "end": int(rows[span.end - 1]) + 1,
        "start_time": _time(span.begin, answer, rows),
        "end_time": _time(span.end - 1, answer, rows),
    }


def _time(point: int, answer: Answer, rows: np.ndarray) -> str | None:
    return answer.series.time_text(int(answer.series.row_points[rows[point]]))


def _channels(event: Event) -> list[ChannelRecord]:
    described = {found.channel: found for found in event.findings}
    return [_channel(name, round(share, 3), described.get(name)) for name, share in event.channels]


def _channel(name: str, share: float, found: Finding | None) -> ChannelRecord:
    if found is None:
        return ChannelRecord(channel=name, share=share)
    value, low, high = (float(f"{number:.6g}") for number in (found.value, *found.usual))
    return ChannelRecord(
        channel=name,
        share=share,
        finding=found.kind,
        text=found.text,
        value=value,
        usual_low=low,
        usual_high=high,
        unit=found.unit,
    )


def _rule(name: str | None, probability: float, answer: Answer) -> RuleRecord:
    record = RuleRecord(rule=name, probability=round(probability, 3))
    rule = None if name is None else rule_named(answer.context, name)
    if rule is None:
        return record
    known = {"mechanism": rule.mechanism, "morphology": rule.morphology, "evidence": rule.evidence}
    return record.model_copy(update=known)
