"""What the service receives and sends, as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ape.monitor.event_schema import EventRecord, QuietRecord

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # counters keep all their digits


class Message(BaseModel):
    """Base of all messages: unknown fields and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Problem(Message):
    """Why a request was refused."""

    what: str
    where: str
    hint: str = Field(description="how to fix it")


class Health(Message):
    """The service answers."""

    status: str = "ok"
    version: str
    detectors: int = Field(description="number of detectors that are served")


class DetectorInfo(Message):
    """A detector that is served."""

    name: str
    channels: list[str] = Field(description="that rows must have; empty: one channel of any name")
    step: float | None = Field(description="seconds between rows in training; null if unknown")
    threshold: float = Field(description="score at which an event is reported")
    alerts: str = Field(description="accepted false alarms that the threshold was chosen for")
    shortest: int = Field(description="fewest rows that can be scored")
    latency: int = Field(description="number of further rows after which the score of a row is final")


class RowsIn(Message):
    """Rows in order of time, each with the channels of the detector by name, and a column with times if there are."""

    rows: list[dict[str, Whole | float | str | None]] = Field(
        min_length=1, examples=[[{"time": "2026-03-01 00:00:00", "pressure": 1.25}]]
    )


class Scored(Message):
    """Scores and events of rows."""

    detector: str
    rows: int
    threshold: float
    notes: list[str] = Field(description="how the rows were read, and what differs from training")
    scores: list[float | None] = Field(description="of each row; null: not known")
    event: list[int] = Field(
        description="of each row: rank of the event that it belongs to, 1 is the worst; 0: none. A score that reaches"
        " the threshold is no alarm by itself: scores stay high around a fault"
    )
    provisional: int = Field(description="number of the last rows whose scores change when more rows are known")
    events: list[EventRecord] = Field(description="the worst first; positions count rows from 0, end is exclusive")
    quiet: list[QuietRecord] = Field(description="what benign rules keep quiet")


class StreamInfo(Message):
    """A stream of a detector."""

    stream: str
    rows: int | None = Field(description="that are scored so far; null if the stream cannot be read")
    newest_time: str | None = Field(description="of the newest row; null without times")
    events: int | None = Field(description="number of all events, withdrawn ones too; null as above")
    open: list[str] = Field(description="ids of the events that last")
    problem: str | None = Field(None, description="why the stream cannot be read; null if it can")


class Streamed(Message):
    """What rows of a stream changed. Rows are counted from the first of the stream.

    A score that reaches the threshold is no alarm by itself, since scores stay high around a fault: the records say
    where events begin and end.
    """

    detector: str
    stream: str
    rows: int = Field(description="that are scored so far")
    threshold: float
    notes: list[str] = Field(description="what was unusual in the rows: late, repeated, missing and so on")
    first_final: int | None = Field(description="row of the first of the final scores; null if there are none")
    final: list[float | None] = Field(description="scores that will not change any more")
    newest: list[float | None] = Field(description="scores of the rows after them, the last of them the newest row's")
    records: list[dict[str, Any]] = Field(
        description="events that open, grow, close or are withdrawn, each reported once"
    )
