"""The Rule Bank as data: pydantic records that refuse what they do not know, JSON on disk, nothing to execute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ape.core.errors import InputError
from ape.core.files import read_json, write_text
from ape.rules.operators import OPERATORS
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

if TYPE_CHECKING:
    import torch

    from ape.rules.sampling import Sample

SCHEMA_VERSION = 1
CONVERSATION = "conversation"  # id of evidence that is what a person said


class EmptyBankError(InputError):
    """A bank without a usable rule was asked for an anomaly."""


class Record(BaseModel):
    """Base of all records: unknown fields and non-finite numbers are refused."""

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
    """How large: the peak change at the anomaly, log-uniform between low and high."""

    low: float = Field(gt=0)
    unit: Literal["residual_sd", "series_sd", "data"] = Field(
        description="robust standard deviations of the local residual, of the series, or data units"
    )


class DurationPrior(Range):
    """How long, log-uniform between low and high."""

    low: float = Field(gt=0)
    unit: Literal["samples", "periods"]


class Parameter(Range):
    """One operator parameter, drawn uniformly between low and high."""

    name: str = Field(max_length=40)


class Step(Record):
    """One operator of a rule's program with its parameter ranges; what is left out takes its default."""

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
                msg = f"parameter '{parameter.name}' must lie in [{bounds.lower}, {bounds.upper}]"
                raise ValueError(msg)
        return self


Tercile = Literal["low", "middle", "high"]


class ContextualPrior(Record):
    """When and where it can happen; everything left empty means anywhere."""

    phase: Range | None = Field(default=None, description="start within the cycle, in cycles; [0.8, 1.1] wraps")
    level: list[Tercile] = Field(default_factory=list, max_length=3, description="terciles of the value at the start")
    activity: list[Tercile] = Field(
        default_factory=list, max_length=3, description="terciles of the rolling standard deviation at the start"
    )
    hours: Range | None = Field(
        default=None, description="start within the day, in hours, where there are timestamps; [22, 26] wraps"
    )
    after_change: Range | None = Field(
        default=None, description="samples since the last step that is larger than 99.5 % of normal ones"
    )
    channels: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=256)
    spread: Literal["one", "some", "all"] = Field(default="one", description="how many of these channels at once")


class Evidence(Record):
    """What a rule rests on: a tool result, a picture, or quoted text with its line."""

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
    """One way in which things go wrong in a scenario, as an agent writes it down."""

    note: str = Field(default="", max_length=400, description="why this rule, in a sentence")
    id: str = Field(pattern=r"^[a-z0-9_\-]{1,40}$")
    mechanism: str = Field(json_schema_extra={"enum": list(MECHANISMS)})
    morphology: str = Field(json_schema_extra={"enum": list(MORPHOLOGIES)})
    context: ContextualPrior = Field(default_factory=ContextualPrior)
    scale: ScalePrior
    duration: DurationPrior
    creep: Range | None = Field(default=None, description="share of the duration over which it builds up, 0 to 1")
    program: list[Step] = Field(min_length=1, max_length=3)
    weight: float = Field(default=1.0, ge=0.001, le=100)
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
        """The rule of this draft, with an empty history."""
        return Rule(**self.model_dump())


class Rule(RuleDraft):
    """A rule and its history; executable through its program."""

    history: list[HistoryEntry] = Field(default_factory=list, max_length=64)

    @property
    def may_jump(self) -> bool:
        """Whether a sharp border belongs to what this rule imitates."""
        return any(OPERATORS[step.operator].jumps for step in self.program)

    @property
    def relational(self) -> bool:
        """Whether this rule breaks how channels go together."""
        return any(OPERATORS[step.operator].relational for step in self.program)


class ChannelContext(Record):
    """What placing a rule needs to know about one channel, all in data units."""

    name: str
    scale: float = Field(gt=0, description="robust standard deviation of the training part")
    residual_scale: float = Field(gt=0, description="robust standard deviation of the local residual")
    quantile_low: float = Field(description="0.1 % quantile")
    quantile_high: float = Field(description="99.9 % quantile")
    limit_low: float = Field(description="nothing plausible lies below")
    limit_high: float = Field(description="nothing plausible lies above")
    step: float = Field(ge=0, description="99.5 % quantile of the absolute difference of neighbours")
    level_cuts: tuple[float, float]
    activity_cuts: tuple[float, float]


class Context(Record):
    """What placing rules in a series needs: period, phase origin and each channel's figures."""

    period: int | None = Field(default=None, ge=2)
    phase_origin: int = 0
    activity_width: int = Field(ge=3)
    first_hour: float | None = Field(default=None, ge=0, lt=24, description="hour of the day at the first point")
    hours_per_step: float | None = Field(default=None, gt=0)
    channels: list[ChannelContext] = Field(min_length=1)

    @property
    def cycle(self) -> int:
        """The period, or where there is none the width that stands in for it."""
        return self.period or 4 * self.activity_width


class RuleBank(Record):
    """The rules of one scenario; the contract between the agents and post-training."""

    schema_version: Literal[1] = 1
    scenario: str = Field(default="", max_length=2000)
    rules: list[Rule] = Field(default_factory=list, max_length=64)
    context: Context
    fingerprint: str = Field(default="", max_length=64, description="of the series that it was mined from")
    seed: int = 0
    ended: str = Field(default="", max_length=200, description="how mining ended")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) != len(ids):
            msg = "two rules have the same id"
            raise ValueError(msg)
        known = {channel.name for channel in self.context.channels}
        for index, rule in enumerate(self.rules):
            unknown = set(rule.context.channels) - known
            if unknown:
                msg = f"rules.{index}.context.channels names unknown channels {sorted(unknown)}"
                raise ValueError(msg)
        return self

    @classmethod
    def load(cls, path: str | Path) -> RuleBank:
        """Read and check a bank; nothing in it is executed."""
        obj = read_json(path, "Rule Bank")
        try:
            return cls.model_validate(obj)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "bank"
            raise InputError(
                f"not a valid Rule Bank: {first['msg']}", f"{path}, field {field}", "see 'ape bank schema'"
            ) from error

    def to_json(self) -> str:
        """Canonical JSON, figures rounded to six significant digits."""
        return json.dumps(_rounded(self.model_dump(mode="json")), indent=1, ensure_ascii=False) + "\n"

    def save(self, path: str | Path) -> None:
        """Write `to_json` to ``path`` atomically."""
        write_text(path, self.to_json())

    def sample(self, windows: torch.Tensor, generator: torch.Generator, starts: torch.Tensor | None = None) -> Sample:
        """Give every host window one pseudo-anomaly; see `ape.rules.sampling.sample`."""
        from ape.rules.sampling import sample

        return sample(self, windows, generator, starts)


def _term(value: str, vocabulary: dict[str, str]) -> str:
    if value not in vocabulary:
        msg = f"'{value}' is not in the vocabulary: {', '.join(vocabulary)}"
        raise ValueError(msg)
    return value


def _rounded(obj: Any) -> Any:
    if isinstance(obj, float):
        return float(f"{obj:.6g}")
    if isinstance(obj, dict):
        return {key: _rounded(value) for key, value in obj.items()}
    if isinstance(obj, list):
        return [_rounded(value) for value in obj]
    return obj
