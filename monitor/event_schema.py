"""The schema of ``events.json``: stable names; positions count rows of the file, from 0, and ``end`` is exclusive."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ape.rules.schema import Evidence, Record

FORMAT: Literal[1] = 1


class ChannelRecord(Record):
    """A channel at fault. The first three are described; the other fields of the rest are null."""

    channel: str
    share: float = Field(description="in the score of the event; those of all channels add up to 1")
    finding: str | None = Field(
        default=None, description="missing, stuck, peak, ramp, level, noisier, calmer, unrelated or unlike"
    )
    text: str | None = Field(default=None, description="what is unusual, in words")
    value: float | None = Field(
        default=None, description="typical of what is unusual: of the standstill, the peak, the level; data units"
    )
    usual_low: float | None = Field(default=None, description="usual lowest value there, data units")
    usual_high: float | None = Field(default=None, description="usual highest value there, data units")
    unit: str | None = Field(default=None, description="from the name of the channel")


class RuleRecord(Record):
    """A rule of the bank that the event may be like."""

    rule: str | None = Field(description="id of the rule; null stands for none of the rules")
    probability: float
    mechanism: str | None = None
    morphology: str | None = None
    evidence: list[Evidence] = Field(default_factory=list)


class EventRecord(Record):
    """An event."""

    rank: int = Field(ge=1, description="1 is the worst")
    id: str
    start: int = Field(ge=0)
    end: int = Field(description="exclusive")
    peak: int = Field(description="row with the highest score")
    start_time: str | None
    end_time: str | None = Field(description="of the last row of the event")
    peak_time: str | None
    ongoing: bool = Field(description="whether the event lasts until the end of the data")
    score: float = Field(description="minus log10 of the share of normal points that score as high")
    expected_every: str = Field(description="how often that happens by chance, in words, such as '4 months'")
    expected_every_points: int = Field(description="the same in points of normal data")
    rarer: bool = Field(description="whether it is rarer than expected_every_points, which is then the lower limit")
    channels: list[ChannelRecord] = Field(min_length=1, description="channels at fault, the largest share first")
    rule: str | None = Field(description="that fits best, or 'none of the rules'; null if the detector has no rules")
    rule_probability: float | None
    rules: list[RuleRecord] = Field(description="the most probable first, those below 0.05 left out")
    reason: str = Field(description="one sentence")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong = {
            "the peak is not between start and end": not self.start <= self.peak < self.end,
            "only some times are null": len({time is None for time in (self.start_time, self.end_time)}) > 1,
            "only one of rule and rule_probability is null": (self.rule is None) != (self.rule_probability is None),
        }
        for msg, applies in wrong.items():
            if applies:
                raise ValueError(msg)
        return self


class QuietRecord(Record):
    """What would be an event without a benign rule."""

    start: int = Field(ge=0)
    end: int = Field(description="exclusive")
    start_time: str | None
    end_time: str | None = Field(description="of the last row")
    score: float = Field(description="that it would have without the rule")
    rule: str = Field(description="id of the benign rule")
    reason: str = Field(description="one sentence")


class EventFile(Record):
    """The content of ``events.json``."""

    format: Literal[1] = FORMAT
    series: str
    rows: int = Field(description="of the file")
    train_end: int | None = Field(description="first row after the training part, in which no events are sought")
    step: float | None = Field(description="seconds between points; null if unknown or irregular")
    threshold: float = Field(description="score at which an event is reported")
    alerts: str = Field(description="accepted false alarms that the threshold was chosen for")
    events: list[EventRecord]
    quiet: list[QuietRecord] = Field(
        default_factory=list, description="what benign rules keep quiet, in order of time; left out if there is none"
    )

    @model_serializer(mode="wrap")
    def _without_empty_quiet(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = serialise(self)
        if not self.quiet:
            data.pop("quiet", None)
        return data
