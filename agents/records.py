"""Records that agents exchange: flat and bounded, so that a grammar can enforce them, with the rationale first."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ape.rules.schema import Range, Record, RuleDraft, Tercile, Times
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

FindingTerm = Literal[
    "periodic",  # the same cycle recurs
    "phase_locked",  # a fixed clock predicts the phase over the whole length
    "recurrent_shape",  # stretches repeat almost exactly
    "odd_stretches",  # some stretches resemble no other
    "smooth",  # little fine scatter relative to the swing
    "rough",  # fine scatter makes up much of the swing
    "discrete",  # few distinct values
    "flat_stretches",  # runs of one repeated value
    "level_changes",  # the level changed permanently at some point
    "trend",  # the level drifts over the whole length
    "variance_changes",  # activity differs between stretches
    "heavy_tails",  # rare values far from the rest
    "hugs_limit",  # values stay at their minimum or maximum
    "correlated",  # channels move together
]
SightingTerm = Literal[
    "regular_cycles",
    "sharp_peaks",
    "flat_tops",
    "plateaus",
    "level_steps",
    "isolated_spikes",
    "changing_swing",
    "rough_line",
]
ChannelName = Annotated[str, Field(max_length=200)]
EvidenceId = Annotated[str, Field(max_length=80)]


def _in(vocabulary: dict[str, str]) -> AfterValidator:
    def known(term: str) -> str:
        if term not in vocabulary:
            msg = f"'{term}' is not in the vocabulary: {', '.join(vocabulary)}"
            raise ValueError(msg)
        return term

    return AfterValidator(known)


Mechanism = Annotated[str, _in(MECHANISMS), Field(json_schema_extra={"enum": list(MECHANISMS)})]
Morphology = Annotated[str, _in(MORPHOLOGIES), Field(json_schema_extra={"enum": list(MORPHOLOGIES)})]


class Hint(Record):
    """A quote from the scenario's text or log that names a failure, or something unusual that is normal."""

    rationale: str = Field(max_length=200)
    quote: str = Field(max_length=200, description="verbatim from the text")
    source: Literal["text", "log"] = "text"
    line: int = Field(ge=1)
    benign: bool = Field(default=False, description="whether the quote says that this is normal and must not alarm")
    mechanism: Mechanism
    strength: float = Field(default=0.5, ge=0, le=1, description="how clearly the quote says so")
    second_mechanism: Mechanism | None = Field(default=None, description="what the quote may mean nearly as likely")
    second_strength: float = Field(default=0.0, ge=0, le=1, description="how clearly the quote says the second one")
    share: float = Field(default=1.0, gt=0, le=10, description="how often, relative to the other failures")
    morphology: Morphology | None = None
    acts_on: Literal["sensor", "process"] | None = None
    seconds: Range | None = Field(default=None, description="duration, if the quote names one")
    samples: Range | None = Field(default=None, description="duration in samples, if their step is not known")
    change: Range | None = Field(
        default=None, description="change as a share of the usual value, if the quote names one; falls are negative"
    )
    amount: Range | None = Field(default=None, description="change in the unit of the data, if the quote names one")
    direction: Literal["up", "down", "either"] = "either"
    level: list[Tercile] = Field(default_factory=list, max_length=3, description="level of the value at the start")
    hours: Range | None = Field(default=None, description="hours of the day of the start; [22, 30] is 22 to 6 h")
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        default_factory=list, max_length=7, description="days of the week of the start, 0 is Monday"
    )
    like_weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(
        default_factory=list, max_length=7, description="days of the week that other days, such as holidays, look like"
    )
    times: Times | None = Field(default=None, description="of planned work: from when to when, by its date")
    after_change: bool = Field(default=False, description="whether it starts after a switch, start or other change")
    channels: list[ChannelName] = Field(default_factory=list, max_length=8, description="affected channels")
    groups: list[ChannelName] = Field(
        default_factory=list, max_length=8, description="affected groups of channels, by their names"
    )
    unresolved: list[Annotated[str, Field(max_length=80)]] = Field(
        default_factory=list, max_length=4, description="sizes or channels of the quote that the series does not have"
    )


class Remark(Record):
    """A sentence of the text that names no failure, and what it is."""

    line: int = Field(ge=1)
    quote: str = Field(max_length=200, description="verbatim from the text")
    use: Literal["normal", "other", "not understood"] = Field(
        description="normal: describes the scenario or what is normal; other: about another machine"
    )
    reason: str = Field(default="", max_length=200)


class Plan(Record):
    """The planner's first answer: what the scenario is and what to study."""

    rationale: str = Field(max_length=600)
    scenario: str = Field(max_length=400, description="one or two sentences")
    channels: list[ChannelName] = Field(min_length=1, max_length=8, description="channels to study")
    step_seconds: float | None = Field(default=None, gt=0, description="seconds between samples, if known")
    hints: list[Hint] = Field(default_factory=list, max_length=48)
    remarks: list[Remark] = Field(
        default_factory=list, max_length=400, description="sentences of the text that are no hints"
    )


class Finding(Record):
    """One property that the profiler measured."""

    rationale: str = Field(max_length=200)
    term: FindingTerm
    channel: ChannelName
    strength: float = Field(ge=0, le=1)
    evidence: list[EvidenceId] = Field(default_factory=list, max_length=4)


class Profile(Record):
    """The profiler's answer."""

    rationale: str = Field(max_length=600)
    period: int | None = Field(default=None, ge=2, description="in samples")
    findings: list[Finding] = Field(default_factory=list, max_length=40)


class Sighting(Record):
    """One property that the visual inspector saw in a picture."""

    rationale: str = Field(max_length=200)
    look: SightingTerm
    channel: ChannelName
    left: int = Field(ge=0, le=1000, description="picture coordinate, 0 to 1000")
    right: int = Field(ge=0, le=1000)
    strength: float = Field(ge=0, le=1)
    evidence: EvidenceId = Field(description="id of the picture")


class Inspection(Record):
    """The visual inspector's answer."""

    rationale: str = Field(max_length=600)
    sees_pictures: bool
    sightings: list[Sighting] = Field(default_factory=list, max_length=24)


class Oddity(Record):
    """A panel that differs from the others in its picture."""

    rationale: str = Field(max_length=200, description="what is odd about the panel")
    rule_id: str = Field(max_length=40, description="rule of the picture")
    panel: int = Field(ge=1, le=64)


class Spotting(Record):
    """The visual inspector's answer to the task "spot"; only served models get this task."""

    rationale: str = Field(max_length=600)
    sees_pictures: bool
    odd: list[Oddity] = Field(default_factory=list, max_length=64)


class Proposal(Record):
    """The planner's new or revised rules, in order of preference."""

    rationale: str = Field(max_length=600)
    rules: list[RuleDraft] = Field(default_factory=list, max_length=12)
    benign: list[RuleDraft] = Field(
        default_factory=list, max_length=8, description="what looks unusual and is normal, in the same form"
    )


class Change(Record):
    """A change that the critic asks the planner to make."""

    field: Literal["scale", "duration", "context", "border"]
    factor: float = Field(default=1.0, gt=0, le=10, description="multiple, for scale and duration")


class Verdict(Record):
    """The critic's verdict on one rule."""

    rationale: str = Field(max_length=400)
    rule_id: str = Field(max_length=40)
    verdict: Literal["accept", "revise", "reject"]
    changes: list[Change] = Field(default_factory=list, max_length=4)


class Critique(Record):
    """The critic's answer: a verdict on each pending rule, and remarks on the bank."""

    rationale: str = Field(max_length=600)
    verdicts: list[Verdict] = Field(default_factory=list, max_length=12)
    bank: str = Field(default="", max_length=400, description="coverage, balance and redundancy of the whole bank")
    missing: list[Mechanism] = Field(
        default_factory=list, max_length=8, description="mechanisms that need another rule"
    )
