"""What agents hand to each other: flat, bounded records that a grammar can enforce, with the rationale first."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from ape.rules.schema import Range, Record, RuleDraft, Tercile
from ape.rules.vocabulary import MECHANISMS, MORPHOLOGIES

FindingTerm = Literal[
    "periodic",  # the same cycle recurs
    "phase_locked",  # a fixed clock predicts the phase over the whole length
    "recurrent_shape",  # stretches repeat almost exactly
    "odd_stretches",  # some stretches resemble no other
    "smooth",  # little fine scatter against the whole swing
    "rough",  # fine scatter makes up much of the swing
    "discrete",  # few distinct values
    "flat_stretches",  # runs of one repeated value
    "level_changes",  # the level moved for good at some point
    "trend",  # the level drifts over the whole length
    "variance_changes",  # activity differs between stretches
    "heavy_tails",  # rare values far from the rest
    "hugs_limit",  # values rest at their minimum or maximum
    "correlated",  # channels move together
]
Look = Literal[
    "regular_cycles",
    "sharp_peaks",
    "flat_tops",
    "plateaus",
    "level_steps",
    "isolated_spikes",
    "changing_swing",
    "rough_line",
]
Name = Annotated[str, Field(max_length=200)]
Mechanism = Annotated[str, Field(json_schema_extra={"enum": list(MECHANISMS)})]
Morphology = Annotated[str, Field(json_schema_extra={"enum": list(MORPHOLOGIES)})]
Identifier = Annotated[str, Field(max_length=80)]
FINDING_TERMS: tuple[str, ...] = get_args(FindingTerm)
LOOKS: tuple[str, ...] = get_args(Look)


class Hint(Record):
    """A quoted piece of the scenario text that speaks for a mechanism."""

    rationale: str = Field(max_length=200)
    quote: str = Field(max_length=200, description="verbatim from the text")
    source: Literal["text", "log"] = "text"
    line: int = Field(ge=1)
    mechanism: Mechanism
    strength: float = Field(default=0.5, ge=0, le=1, description="how plainly the quote says so")
    morphology: Morphology | None = None
    seconds: Range | None = Field(default=None, description="how long it lasts, where the quote says so")
    change: Range | None = Field(default=None, description="share of the usual value, where the quote says so")
    level: list[Tercile] = Field(default_factory=list, max_length=3, description="of the value when it begins")
    channels: list[Name] = Field(default_factory=list, max_length=8, description="that it shows in")


class Plan(Record):
    """The planner's first answer: what the scenario is and what to study."""

    rationale: str = Field(max_length=600)
    scenario: str = Field(max_length=400, description="one or two sentences")
    channels: list[Name] = Field(min_length=1, max_length=4, description="to be studied")
    step_seconds: float | None = Field(default=None, gt=0, description="between samples, where known")
    hints: list[Hint] = Field(default_factory=list, max_length=16)


class Finding(Record):
    """One thing that the profiler measured."""

    rationale: str = Field(max_length=200)
    term: FindingTerm
    channel: Name
    strength: float = Field(ge=0, le=1)
    evidence: list[Identifier] = Field(default_factory=list, max_length=4)


class Profile(Record):
    """The profiler's answer."""

    rationale: str = Field(max_length=600)
    period: int | None = Field(default=None, ge=2, description="in samples")
    findings: list[Finding] = Field(default_factory=list, max_length=40)


class Sighting(Record):
    """One thing that the visual inspector saw in a picture."""

    rationale: str = Field(max_length=200)
    look: Look
    channel: Name
    left: int = Field(ge=0, le=1000, description="picture coordinate, 0 to 1000")
    right: int = Field(ge=0, le=1000)
    strength: float = Field(ge=0, le=1)
    evidence: Identifier = Field(description="id of the picture")


class Inspection(Record):
    """The visual inspector's answer."""

    rationale: str = Field(max_length=600)
    sees_pictures: bool
    sightings: list[Sighting] = Field(default_factory=list, max_length=24)


class Oddity(Record):
    """A panel that looks odd among the others of its picture."""

    rationale: str = Field(max_length=200, description="what is odd about it")
    rule_id: str = Field(max_length=40, description="of the picture")
    panel: int = Field(ge=1, le=64)


class Spotting(Record):
    """The visual inspector's answer to spot the difference."""

    rationale: str = Field(max_length=600)
    sees_pictures: bool
    odd: list[Oddity] = Field(default_factory=list, max_length=64)


class Proposal(Record):
    """The planner's rules, new or revised, in order of preference."""

    rationale: str = Field(max_length=600)
    rules: list[RuleDraft] = Field(default_factory=list, max_length=12)


class Change(Record):
    """What the critic asks the planner to change."""

    field: Literal["scale", "duration", "context", "border"]
    factor: float = Field(default=1.0, gt=0, le=10, description="multiple, for scale and duration")


class Verdict(Record):
    """The critic's word on one rule."""

    rationale: str = Field(max_length=400)
    rule_id: str = Field(max_length=40)
    verdict: Literal["accept", "revise", "reject"]
    changes: list[Change] = Field(default_factory=list, max_length=4)


class Critique(Record):
    """The critic's answer: a verdict on every pending rule."""

    rationale: str = Field(max_length=600)
    verdicts: list[Verdict] = Field(default_factory=list, max_length=12)
    bank: str = Field(default="", max_length=400, description="of the bank as a whole: coverage, balance, redundancy")
    missing: list[Mechanism] = Field(default_factory=list, max_length=8, description="that need another rule")
