"""Rules and their context as pydantic records: pure data, stored as JSON."""

from __future__ import annotations

from datetime import datetime
from operator import not_
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ape.core.errors import InputError
from ape.rules.operators import OPERATORS
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

CONVERSATION = "conversation"  # evidence id for statements of a person


class EmptyBankError(InputError):
    """No rule of the bank can be sampled on the given windows."""


class Record(BaseModel):
    """Base of all records. Unknown fields and non-finite numbers are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Range(Record):
    """A closed interval."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            msg = f"high {self.high} is below low {self.low}"
            raise ValueError(msg)
        return self


class ScalePrior(Range):
    """Size of the anomaly: the peak change, log-uniform between low and high."""

    low: float = Field(gt=0)
    unit: Literal["residual_sd", "series_sd", "data"] = Field(
        description="robust standard deviations of the local residual or of the series, or data units"
    )
    direction: Literal["up", "down", "either"] = Field(
        default="either", description="whether the change raises or lowers the values; for operators that add a change"
    )


class DurationPrior(Range):
    """Duration of the anomaly, log-uniform between low and high."""

    low: float = Field(gt=0)
    unit: Literal["samples", "periods"]


class Parameter(Range):
    """Range of one operator parameter, which is drawn uniformly between low and high."""

    name: str = Field(max_length=40)


class Step(Record):
    """One operator of a rule's program with its parameter ranges. Omitted parameters use their default ranges."""

    operator: str = Field(json_schema_extra={"enum": [*sorted(OPERATORS)]})
    parameters: list[Parameter] = Field(default_factory=list, max_length=6)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.operator not in OPERATORS:
            msg = f"unknown operator '{self.operator}'; known: {', '.join(sorted(OPERATORS))}"
            raise ValueError(msg)
        allowed = OPERATORS[self.operator].parameters
        for parameter in self.parameters:
            if parameter.name not in allowed:
                msg = f"operator '{self.operator}' has no parameter '{parameter.name}'; it has {sorted(allowed)}"
                raise ValueError(msg)
            bounds = allowed[parameter.name]
            if parameter.low < bounds.lower or parameter.high > bounds.upper:
                msg = f"parameter '{parameter.name}' must be in [{bounds.lower}, {bounds.upper}]"
                raise ValueError(msg)
        return self


Tercile = Literal["low", "middle", "high"]


class Times(Record):
    """From when to when something is, on the clock of the series: ISO 8601 to the second, without a zone."""

    begin: str = Field(max_length=40)
    end: str = Field(max_length=40, description="exclusive")

    @field_validator("begin", "end")
    @classmethod
    def _iso(cls, value: str) -> str:
        return datetime.fromisoformat(value).replace(tzinfo=None).isoformat(timespec="seconds")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.begin:
            msg = f"end {self.end} is not after begin {self.begin}"
            raise ValueError(msg)
        return self


class ContextualPrior(Record):
    """Where and when the anomaly can start. Empty fields set no condition."""

    phase: Range | None = Field(default=None, description="phase of the start, in cycles; [0.8, 1.1] wraps around")
    level: list[Tercile] = Field(default_factory=list, max_length=3, description="terciles of the value at the start")
    activity: list[Tercile] = Field(
        default_factory=list, max_length=3, description="terciles of the rolling standard deviation at the start"
    )
    hours: Range | None = Field(
        default=None, description="hour of the day of the start, if the series has timestamps; [22, 26] wraps around"
    )
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        default_factory=list, max_length=7, description="days of the week of the start, 0 is Monday; needs timestamps"
    )
    times: list[Times] = Field(
        default_factory=list,
        max_length=64,
        description="of benign rules: planned work at these dates, during which anything is quiet",
    )
    like_weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        default_factory=list,
        max_length=7,
        description="of benign rules: other days, such as holidays, are quiet where they look like these, 0 is Monday",
    )
    after_change: Range | None = Field(
        default=None, description="samples since the last step that is larger than 99.5 % of the normal steps"
    )
    channels: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=4096)
    groups: list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list,
        max_length=256,
        exclude_if=not_,
        description="groups of a wide series, whose channels count as named; left out of the JSON if there is none",
    )
    spread: Literal["one", "some", "all"] = Field(
        default="one",
        description="how many of these channels are affected at once; without named channels, those of one group",
    )


class Evidence(Record):
    """Evidence for a rule: a tool result, a picture, or quoted text with its line."""

    kind: Literal["tool", "picture", "text"]
    id: str = Field(max_length=80, description="tool call, artefact, or 'text'")
    quote: str = Field(default="", max_length=300)
    line: int | None = Field(default=None, ge=1)


class HistoryEntry(Record):
    """One entry of a rule's history."""

    agent: str = Field(max_length=40)
    iteration: int = Field(ge=0)
    verdict: Literal["proposed", "revise", "accept", "reject"]
    reason: str = Field(max_length=600)
    figures: dict[str, float] = Field(default_factory=dict)


class RuleDraft(Record):
    """One kind of anomaly of a scenario, as an agent proposes it."""

    note: str = Field(default="", max_length=400, description="reason for the rule, in one sentence")
    id: str = Field(pattern=r"^[a-z0-9_\-]{1,40}$")
    mechanism: str = Field(json_schema_extra={"enum": list(MECHANISMS)})
    morphology: str = Field(json_schema_extra={"enum": list(MORPHOLOGIES)})
    context: ContextualPrior = Field(default_factory=ContextualPrior)
    scale: ScalePrior
    duration: DurationPrior
    creep: Range | None = Field(
        default=None, description="share of the duration over which the anomaly builds up, 0 to 1"
    )
    program: list[Step] = Field(min_length=1, max_length=3)
    acts_on: Literal["sensor", "process"] = Field(
        default="sensor",
        description="sensor: only the readings change, and their relation to other channels breaks; process: the other"
        " channels follow as in normal data",
    )
    weight: float = Field(
        default=1.0, ge=0.001, le=100, description="expected share of all incidents, relative to the other rules"
    )
    evidence: list[Evidence] = Field(default_factory=list, max_length=16)

    @field_validator("mechanism")
    @classmethod
    def _mechanism(cls, value: str) -> str:
        return _term(value, MECHANISMS)

    @field_validator("morphology")
    @classmethod
    def _morphology(cls, value: str) -> str:
        return _term(value, MORPHOLOGIES)

    def to_rule(self) -> Rule:
        """Return the draft as a rule with an empty history."""
        return Rule(**self.model_dump())


class Rule(RuleDraft):
    """A rule with its history."""

    history: list[HistoryEntry] = Field(default_factory=list, max_length=64)

    @property
    def anywhere(self) -> Rule:
        """The rule without conditions on where and when the anomaly starts; its channels stay."""
        prior = self.context
        context = ContextualPrior(channels=prior.channels, groups=prior.groups, spread=prior.spread)
        return self.model_copy(update={"context": context})

    @property
    def may_jump(self) -> bool:
        """Whether the anomaly may have a sharp border."""
        return any(OPERATORS[step.operator].jumps for step in self.program)

    @property
    def reaches_zero(self) -> bool:
        """Whether the anomaly may be at zero, whatever the limits of the channel are."""
        return any(OPERATORS[step.operator].reaches_zero for step in self.program)

    @property
    def relational(self) -> bool:
        """Whether the rule breaks the relation between channels."""
        return any(OPERATORS[step.operator].relational for step in self.program)

    @property
    def acts_through(self) -> bool:
        """Whether other channels follow the anomaly as in normal data."""
        return self.acts_on == "process" and not self.relational


class Response(Record):
    """How another channel follows a change of one, measured on normal data."""

    channel: str
    slope: float = Field(description="change of this channel for a change of one, in data units")
    lag: int = Field(default=0, ge=0, description="samples by which this channel follows later")


class ChannelContext(Record):
    """Statistics of one channel used to place and scale rules, in data units minus its offset."""

    name: str
    offset: float = Field(
        default=0.0, exclude_if=not_, description="of channels whose level is large; left out of the JSON if zero"
    )
    scale: float = Field(gt=0, description="robust standard deviation of the training part")
    residual_scale: float = Field(gt=0, description="robust standard deviation of the local residual")
    quantile_low: float = Field(description="0.1 % quantile")
    quantile_high: float = Field(description="99.9 % quantile")
    limit_low: float = Field(description="smallest plausible value")
    limit_high: float = Field(description="largest plausible value")
    step: float = Field(ge=0, description="99.5 % quantile of the absolute difference between neighbouring samples")
    jump: float = Field(
        default=0.0,
        ge=0,
        exclude_if=not_,
        description="least difference of a jump, where jumps are more than 0.5 % of all; left out of the JSON if zero",
    )
    level_cuts: tuple[float, float]
    activity_cuts: tuple[float, float]
    responses: list[Response] = Field(
        default_factory=list,
        max_length=64,
        exclude_if=not_,
        description="of channels that clearly follow; left out if there is none",
    )

    @property
    def change(self) -> float:
        """The least difference between neighbouring samples that is a change."""
        return self.jump or self.step

    @property
    def zero(self) -> float:
        """The value 0 of the data, on the scale of the other values."""
        return -self.offset


class ChannelGroup(Record):
    """Channels of a wide series that move together."""

    name: str = Field(min_length=1, max_length=200)
    channels: list[Annotated[str, Field(max_length=200)]] = Field(min_length=2)
    representative: str = Field(max_length=200, description="the channel that moves most as the others do")

    @model_validator(mode="after")
    def _is_member(self) -> Self:
        if self.representative not in self.channels:
            msg = f"the representative '{self.representative}' is not among the channels of group '{self.name}'"
            raise ValueError(msg)
        return self


class ContextGap(Record):
    """Missing rows before a point of the training part. Phase and hour of the day go on during a gap."""

    position: int = Field(ge=1, description="first point after the gap")
    missing: int = Field(ge=1, description="number of missing rows")


class ClockChange(Record):
    """A change of the clock in the training part, such as that to summer time."""

    position: int = Field(ge=1, description="first point after the change")
    hours: float = Field(description="by which the clock was put forward")


class Context(Record):
    """Measurements of a series used to place and scale rules: period, clock, and statistics of each channel."""

    period: int | None = Field(default=None, ge=2)
    phase_origin: int = 0
    activity_width: int = Field(ge=3)
    first_hour: float | None = Field(default=None, ge=0, lt=24, description="hour of the day at the first point")
    hours_per_step: float | None = Field(default=None, gt=0)
    first_weekday: int | None = Field(default=None, ge=0, le=6, description="of the first point, 0 is Monday")
    channels: list[ChannelContext] = Field(min_length=1)
    groups: list[ChannelGroup] = Field(
        default_factory=list,
        exclude_if=not_,
        description="of a wide series, the largest first; left out of the JSON if there is none",
    )
    gaps: list[ContextGap] = Field(
        default_factory=list, exclude_if=not_, description="left out of the JSON if there is none"
    )
    clock_changes: list[ClockChange] = Field(
        default_factory=list, exclude_if=not_, description="in order; left out of the JSON if there is none"
    )

    @model_validator(mode="after")
    def _known_channels(self) -> Self:
        known = {channel.name for channel in self.channels}
        named = {each.channel for channel in self.channels for each in channel.responses}
        if unknown := named - known:
            msg = f"channels.responses names unknown channels {sorted(unknown)}"
            raise ValueError(msg)
        members = [name for group in self.groups for name in group.channels]
        if unknown := set(members) - known:
            msg = f"groups names unknown channels {sorted(unknown)}"
            raise ValueError(msg)
        if len(set(members)) < len(members) or len({group.name for group in self.groups}) < len(self.groups):
            msg = "groups: two have the same name, or a channel is in two"
            raise ValueError(msg)
        return self

    @property
    def cycle(self) -> int:
        """The period, or a substitute for series without one, in samples."""
        return self.period or 4 * self.activity_width


class SentenceUse(Record):
    """What mining made of one sentence of the text or log."""

    line: int = Field(ge=1)
    source: Literal["text", "log"] = "text"
    text: str = Field(max_length=400)
    use: Literal["rule", "benign", "normal", "other", "no rule", "not understood"] = Field(
        description="rule, benign: there are rules from it; normal: describes the scenario or what is normal; other:"
        " about another machine; no rule: a failure for which no rule passed the check"
    )
    rules: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=8)
    reason: str = Field(default="", max_length=200, description="why, in a few words")


def _term(value: str, vocabulary: dict[str, str]) -> str:
    if value not in vocabulary:
        msg = f"'{value}' is not in the vocabulary: {', '.join(vocabulary)}"
        raise ValueError(msg)
    return value
