"""Write the draft of a selected kind of rule, with priors from what people say where they say it, and the evidence."""

from __future__ import annotations

import re

from ape.agents.expert.failures import Failure
from ape.agents.expert.selection import LEAST_NEEDED, SIGNED, Choice, described, strengths
from ape.agents.expert.transcript import Transcript
from ape.rules import OPERATORS, RuleDraft
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, Parameter, Range, ScalePrior, Step

REGIME_STRENGTH = 0.5  # of variance_changes, from which rules are bound to a regime
LONGEST_SHARE = 1 / 6  # of the training part
CREEP = Range(low=0.5, high=1.0)  # of a gradual drift by an operator that has no slope of its own
BENIGN_SECONDS = (600.0, 14_400.0)  # of what is normal at an hour of the day, if nobody says how long it takes
BENIGN_SAMPLES = (4.0, 40.0)  # of what is normal after a change, if nobody says how long it takes
AFTER_CHANGE = 12  # samples within which what comes after a change begins, at least
AFTER_CHANGE_SHARE = 0.1  # the same for failures, as a share of the period
WIDEST = 50  # the upper end of a named size as a multiple of the lower one, at most
FACTORS = {  # amplitude as a multiple of normal
    "amplitude_scale": {"up": (1.3, 2.2), "down": (0.25, 0.75)},
    "spectral_peak_scale": {"up": (1.6, 3.0), "down": (0.3, 0.6)},
}
MOST_TIMES = 64  # of planned work
MOST_QUOTED = 10  # hints that are cited
_ONE_OF = re.compile(r"\b(?:or|any|either|one of|some|single)\b", re.IGNORECASE)


def write_draft(transcript: Transcript, choice: Choice) -> RuleDraft:
    """Return the draft of a choice."""
    kind, strength = choice.kind, strengths(transcript)
    terms = [term for term, w in kind.weights.items() if w > 0 and strength.get(term, 0) >= LEAST_NEEDED]
    quotes = [f"the {hint.source} says '{hint.quote[:80]}'" for hint in choice.hints[:2]]
    reasons = [*quotes, *terms] or ["it can happen to any series"]
    failure = choice.failure
    return RuleDraft(
        note=f"{choice.mechanism}: {', '.join(reasons)}"[:400],
        id=choice.id,
        mechanism=choice.mechanism,
        morphology=kind.morphology,
        context=_context(transcript, choice, regime=strength.get("variance_changes", 0.0) >= REGIME_STRENGTH),
        scale=_scale(transcript, choice),
        duration=_duration(transcript, choice),
        creep=CREEP if choice.mechanism == "gradual_drift" and kind.operator != "trend_drift" else None,
        program=[Step(operator=kind.operator, parameters=_parameters(choice))],
        acts_on=(failure and failure.first("acts_on")) or "sensor",
        weight=choice.weight,
        evidence=_evidence(transcript, choice, terms),
    )


def _context(transcript: Transcript, choice: Choice, *, regime: bool) -> ContextualPrior:
    """Where and when it happens as people say; otherwise the kind's activity if the series has regimes."""
    failure = choice.failure
    several = len(transcript.task.get("channels", [])) > 2
    spread = "some" if several else "one"
    if failure is None:
        return ContextualPrior(
            activity=list(choice.kind.activity) if regime else [],
            channels=_group(transcript) if OPERATORS[choice.kind.operator].relational else [],
            spread=spread,  # type: ignore[arg-type]
        )
    level = {tercile for hint in failure.hints for tercile in hint.level}
    named = bool(failure.channels or failure.groups)
    channels = failure.channels
    if not named and OPERATORS[choice.kind.operator].relational:
        channels = _group(transcript)
    clock = "first_time" in described(transcript)
    after = float(AFTER_CHANGE)
    if not failure.hints[0].benign:  # what is normal after a change begins with it
        after = max(after, AFTER_CHANGE_SHARE * (transcript.task["profile"].get("period") or 0))
    return ContextualPrior(
        activity=list(choice.kind.activity) if regime and not level else [],
        level=sorted(level) if len(level) == 1 else [],
        hours=failure.first("hours") if clock else None,
        weekdays=(failure.first("weekdays") or []) if clock else [],
        times=[hint.times for hint in failure.hints if hint.times][:MOST_TIMES] if clock else [],
        like_weekdays=(failure.first("like_weekdays") or []) if clock else [],
        after_change=Range(low=0, high=after) if failure.first("after_change") else None,
        channels=channels,
        groups=failure.groups,
        spread=_spread(failure) if named else spread,  # type: ignore[arg-type]
    )


def _spread(failure: Failure) -> str:
    """All channels that one hint names together, or by a group, change at once, unless it says "or"."""
    most = max(failure.hints, key=lambda hint: len(hint.channels))
    if len(failure.channels) == 1 and not failure.groups:
        return "one"
    if failure.groups:
        return "some" if _ONE_OF.search(most.quote) else "all"
    together = set(most.channels) == set(failure.channels) and not _ONE_OF.search(most.quote)
    return "all" if together else "some"


def _group(transcript: Transcript) -> list[str]:
    """Channels of the largest group that goes together; none if it is not listed whole, or if groups have names.

    Without channels, an anomaly is in any of the groups that have names.
    """
    groups = [group for group in described(transcript).get("groups", []) if group["size"] > 1 and "name" not in group]
    return groups[0]["channels"] if groups and groups[0]["size"] == len(groups[0]["channels"]) else []


def _scale(transcript: Transcript, choice: Choice) -> ScalePrior:
    """The size that people name; trials measure operators that set their own size."""
    low, high, unit = choice.kind.scale
    failure, operator = choice.failure, OPERATORS[choice.kind.operator]
    if failure is not None and operator.additive and (named := _named_size(transcript, failure)) is not None:
        low, high, unit = named
    direction = failure.direction if failure is not None and choice.kind.operator in SIGNED else "either"
    return ScalePrior(low=low, high=high, unit=unit, direction=direction)  # type: ignore[arg-type]


def _named_size(transcript: Transcript, failure: Failure) -> tuple[float, float, str] | None:
    """The named size of a change: in data units of one channel, or in robust sd of several."""
    amount, change = failure.first("amount"), failure.first("change")
    usual = _usual_values(transcript, failure.channels or transcript.task.get("channels", []))
    if not usual or (amount is None and change is None):
        return None
    if amount is not None and (failure.channels or len(usual) == 1):
        return _ends([amount.low, amount.high], "data")
    if change is None:
        return None
    if len(usual) == 1:
        return _ends([end * level for end in (change.low, change.high) for level, _ in usual], "data")
    return _ends([end * level / sd for end in (change.low, change.high) for level, sd in usual], "series_sd")


def _ends(values: list[float], unit: str) -> tuple[float, float, str] | None:
    sizes = [abs(value) for value in values]
    return (max(min(sizes), max(sizes) / WIDEST), max(sizes), unit) if max(sizes) > 0 else None


def _usual_values(transcript: Transcript, channels: list[str]) -> list[tuple[float, float]]:
    """Absolute median and robust standard deviation of channels, without those that have neither."""
    found = []
    for result in transcript.results_of("describe_series"):
        value = result.value
        rows = zip(value["channels"], value["median"], value["robust_sd"], strict=True)
        found += [(abs(level), sd) for name, level, sd in rows if name in channels and level and sd]
    return found


def _duration(transcript: Transcript, choice: Choice) -> DurationPrior:
    """The duration that people name in samples, or in time if the step between samples is known."""
    low, high, unit = choice.kind.duration
    step, points = transcript.task["plan"].get("step_seconds"), transcript.task.get("training_points")
    seconds = choice.failure and choice.failure.first("seconds")
    samples = choice.failure and choice.failure.first("samples")
    if seconds and step:
        samples = Range(low=seconds.low / step, high=seconds.high / step)
    if samples:
        most = max(4.0, LONGEST_SHARE * points) if points else samples.high
        high, unit = min(max(samples.high, 2.0), most), "samples"
        low = max(1.0, min(samples.low, high / 2))
    elif choice.hints and choice.hints[0].benign and choice.failure and choice.failure.first("after_change"):
        low, high, unit = *BENIGN_SAMPLES, "samples"
    elif step and choice.hints and choice.hints[0].benign and choice.hints[0].hours:
        low, high, unit = max(1.0, BENIGN_SECONDS[0] / step), max(2.0, BENIGN_SECONDS[1] / step), "samples"
    return DurationPrior(low=low, high=high, unit=unit)  # type: ignore[arg-type]


def _parameters(choice: Choice) -> list[Parameter]:
    """The kind's parameters; for a change of gain, the factor that people name or its direction."""
    bounds_of: dict[str, tuple[float, float]] = dict(choice.kind.parameters)
    operator, failure = choice.kind.operator, choice.failure
    if failure is not None and operator in FACTORS:
        change, bounds = failure.first("change"), OPERATORS[operator].parameters["factor"]
        if change is not None:
            bounds_of["factor"] = (max(bounds.lower, 1 + change.low), min(bounds.upper, 1 + change.high))
        elif failure.direction != "either":
            bounds_of["factor"] = FACTORS[operator][failure.direction]
    return [Parameter(name=name, low=low, high=high) for name, (low, high) in bounds_of.items()]


def _evidence(transcript: Transcript, choice: Choice, terms: list[str]) -> list[Evidence]:
    """Quotes of all hints, and the findings and sightings that support the choice."""
    findings = [f for f in transcript.task["profile"]["findings"] if f["term"] in terms][:3]
    sightings = [s for s in transcript.task["inspection"]["sightings"] if s["look"] in terms][:1]
    evidence = [Evidence(kind="text", id=h.source, quote=h.quote, line=h.line) for h in choice.hints[:MOST_QUOTED]]
    evidence += [Evidence(kind="tool", id=e, quote=f["term"]) for f in findings for e in f["evidence"][:1]]
    return evidence + [Evidence(kind="picture", id=s["evidence"], quote=s["look"]) for s in sightings]
