"""Write a draft of a rule from a person's words: what fails or is normal, how long, how much, when and where."""

from __future__ import annotations

import re
from typing import Any

from ape.agents.expert.rule_kinds import RULE_KINDS, RuleKind
from ape.agents.expert.transcript import Transcript
from ape.agents.guide.clock_words import clocks, hours_in
from ape.agents.guide.names import channels_in, mechanisms_in
from ape.agents.guide.rule_change import length_in_samples
from ape.agents.records import Hint
from ape.agents.understanding.quantities import durations, sampling_step
from ape.agents.understanding.reading import read_statements
from ape.agents.understanding.times import weekdays
from ape.rules import OPERATORS
from ape.rules.schema import (
    CONVERSATION,
    ContextualPrior,
    DurationPrior,
    Evidence,
    Parameter,
    Range,
    RuleDraft,
    ScalePrior,
    Step,
)

READ_TEXT = "read_text"  # the tool
FALLBACK_PERIOD = 64  # samples, for durations in periods if the series has no period
AROUND = 0.5  # hours around a single time of the day
_MOVES = re.compile(r"\b(?:drop|fall|sink|rise|climb|surge|plunge|go(?:es)? (?:up|down))(?:s|ped|en)?\b", re.I)
_SLOWLY = re.compile(r"\b(?:slow|gradual|creep|steadi|little by little|over (?:days|weeks|months))", re.IGNORECASE)
UNKNOWN_KIND = (
    "I do not see which kind of failure you mean. Describe what happens: it sticks, drifts, jumps, drops out, ..."
)
UNKNOWN_STEP = (
    "You gave a time, but I do not know how far apart the samples are. Give the length in samples, or add the sampling"
    " step to your sentence, as in 'sampled every 10 s'."
)


def failure_in(text: str, transcript: Transcript) -> Hint | None:
    """Return what a person's sentence says about a failure; None if it names none that is known."""
    channels, step = transcript.task.get("channels", []), step_seconds(transcript, text)
    named = mechanisms_in(text)
    if not named and _MOVES.search(text):
        named = ["gradual_drift" if _SLOWLY.search(text) else "abrupt_change"]
    readings = (read_statements([(1, each)], channels, step_seconds=step) for each in (text, _MOVES.sub("jumps", text)))
    hints = next((reading.hints for reading in readings if reading.hints), [])
    hint = max(hints, key=lambda each: (each.mechanism in named, each.strength), default=None)
    if hint is not None and (not named or hint.mechanism in named):
        return hint
    if not named:
        return None
    spans = durations(text)
    return Hint(
        rationale="named",
        quote=text[:200],
        line=1,
        mechanism=named[0],
        seconds=Range(low=spans[0][0], high=spans[0][1]) if spans else None,
        channels=channels_in(text, channels)[:8],
    )


def step_seconds(transcript: Transcript, text: str) -> float | None:
    """Seconds between samples: from the timestamps, the request, or the scenario's text."""
    texts = [line["text"] for result in transcript.results_of(READ_TEXT) for line in result.value["lines"]]
    steps = (sampling_step(each) for each in (text, *texts))
    return transcript.task.get("step_seconds") or next((step for step in steps if step), None)


def kind_of(hint: Hint, transcript: Transcript) -> RuleKind | None:
    """Return the kind of rule that generates a failure in this series; None if there is none."""
    possible = [kind for kind in RULE_KINDS if kind.mechanism == hint.mechanism and _possible(kind, transcript)]
    return next((kind for kind in possible if kind.morphology == hint.morphology), possible[0] if possible else None)


def draft_of(text: str, hint: Hint, kind: RuleKind, transcript: Transcript, *, id_prefix: str = "") -> dict[str, Any]:
    """Return the draft of a rule as JSON, with the words of the person as its evidence."""
    scale, (low, high) = kind.scale, _direction(hint)
    draft = RuleDraft(
        note=f"requested: {text}"[:400],
        id=_free_id(f"{id_prefix}{kind.id}", transcript),
        mechanism=kind.mechanism,
        morphology=kind.morphology,
        context=ContextualPrior(
            level=hint.level if len(hint.level) == 1 else [],
            channels=hint.channels,
            hours=_hours(text),
            weekdays=hint.weekdays or weekdays(text),
        ),
        scale=ScalePrior(
            low=low or scale[0],
            high=high or scale[1],
            unit="data" if low else scale[2],  # type: ignore[arg-type]
            direction=hint.direction,
        ),
        duration=_duration(transcript, kind, hint, text),
        acts_on=hint.acts_on or "sensor",
        program=[
            Step(
                operator=kind.operator,
                parameters=[Parameter(name=n, low=low, high=high) for n, (low, high) in kind.parameters.items()],
            )
        ],
        evidence=[Evidence(kind="text", id=CONVERSATION, quote=text[:300])],
    )
    return draft.model_dump(mode="json")


def _possible(kind: RuleKind, transcript: Transcript) -> bool:
    """Whether the series has the period and the channels that a kind needs."""
    several = len(transcript.task.get("channels", [])) > 1
    cyclic = bool(transcript.task.get("period")) or "periodic" not in kind.needs
    return cyclic and (several or not OPERATORS[kind.operator].relational)


def _free_id(wanted: str, transcript: Transcript) -> str:
    taken = {*transcript.task.get("rules", []), *transcript.task.get("dropped", [])}
    names = (f"{wanted}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 99))))
    return next(name for name in names if name not in taken)


def _direction(hint: Hint) -> tuple[float, float]:
    """Return the size in data units, zero if it is not known."""
    if hint.amount is None:
        return 0.0, 0.0
    ends = sorted((abs(hint.amount.low), abs(hint.amount.high)))
    return (ends[0] or 0.5 * ends[1], ends[1]) if ends[1] else (0.0, 0.0)


def _hours(text: str) -> Range | None:
    """Return the hours of the day that a text names; a single time stands for the half hour on both sides."""
    if len(times := clocks(text)) == 1:
        low = (times[0].minutes / 60 - AROUND) % 24
        return Range(low=low, high=low + 2 * AROUND)
    named = hours_in(text)
    return None if named is None else Range(low=named[0], high=named[1])


def _duration(transcript: Transcript, kind: RuleKind, hint: Hint, text: str) -> DurationPrior:
    """The requested duration in samples, or in seconds if the sampling step is known; otherwise the kind's."""
    step = step_seconds(transcript, text)
    if (samples := length_in_samples(text, None)) is not None:
        return DurationPrior(low=max(samples[0], 1.0), high=max(samples), unit="samples")
    if hint.seconds is not None and step:
        low = max(hint.seconds.low / step, 1.0)
        return DurationPrior(low=low, high=max(hint.seconds.high / step, low), unit="samples")
    low, high, unit = kind.duration
    if unit == "periods" and not transcript.task.get("period"):
        low, high = low * FALLBACK_PERIOD, max(high * FALLBACK_PERIOD, low * FALLBACK_PERIOD)
        unit = "samples"
    low = max(low, 1.0) if unit == "samples" else low
    return DurationPrior(low=low, high=high, unit=unit)  # type: ignore[arg-type]
