"""The record of an event: what is reported about it, as one line of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter


@cache
def adapter(kind: type) -> TypeAdapter[Any]:
    """Return what checks data against a type."""
    return TypeAdapter(kind)


def _is_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Row = Annotated[int, Field(ge=0, lt=2**63)]
Time = Annotated[str, AfterValidator(_is_time)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
State = Literal["open", "grow", "close", "withdraw", "drift"]


@dataclass(frozen=True)
class Record:
    """What is reported about an event, or once about a drift: one line of JSON. Further fields may follow; these stay.

    Parameters
    ----------
    id : str
        The same in all records of an event: name of the watch, and row of the event's first alarm.
    sequence : int
        Counts the records of an event from 0.
    state : {"open", "grow", "close", "withdraw", "drift"}
        After the last three, nothing more is reported about the event.
    start, end, peak : int
        Rows, counted from the first that was ever read; ``end`` is exclusive.
    start_time, end_time, peak_time : str or None
        Of the first row, of the last one, and of that with the highest score.
    ongoing : bool
        Whether it lasts until the newest row.
    score, threshold : float
    expected_every : str or None
        How often that happens by chance, in words.
    channels : list of dict
        As in ``events.json``.
    rule : str or None
        Id of the rule that it looks like most; None if it looks like none.
    rule_probability : float or None
    reason : str
        One sentence for people.
    picture : str or None
        Path of the picture of a drift.
    """

    id: str
    sequence: Row
    state: State
    start: Row
    end: Row
    peak: Row
    start_time: Time | None
    end_time: Time | None
    peak_time: Time | None
    ongoing: bool
    score: Number
    threshold: Number
    expected_every: str | None
    channels: list[dict[str, Any]]
    rule: str | None
    rule_probability: Share | None
    reason: str
    picture: str | None = None

    def line(self) -> str:
        """Return the record as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def record_of(text: str) -> Record:
    """Return the record that a line of JSON describes.

    Raises
    ------
    ValueError
        It has not all fields of a record, others, or some of another type.
    """
    record = adapter(Record).validate_json(text, strict=True)
    for each in record.channels:
        adapter(_Channel).validate_json(json.dumps({**_NOTHING, **each}), strict=True)
    if json.loads(record.line()) != json.loads(text) or record.start >= record.end:
        msg = "not the fields of a record"
        raise ValueError(msg)
    return record


@dataclass(frozen=True)
class _Channel:
    """A channel of a record, as in ``events.json``."""

    channel: str
    share: Share
    finding: str | None
    text: str | None
    value: Number | None
    usual_low: Number | None
    usual_high: Number | None
    unit: str | None


_NOTHING = dict.fromkeys(("finding", "text", "value", "usual_low", "usual_high", "unit"))
