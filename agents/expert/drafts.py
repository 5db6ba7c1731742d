"""Write the draft of a selected kind of rule, with priors from the text where it gives them, and the evidence."""

from __future__ import annotations

from ape.agents.expert.selection import LEAST_NEEDED, Choice, strengths
from ape.agents.expert.transcript import Transcript
from ape.rules import OPERATORS, RuleDraft
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, Parameter, Range, ScalePrior, Step

REGIME_STRENGTH = 0.5  # of variance_changes, from which rules are bound to a regime
LONGEST_SHARE = 1 / 6  # of the training part
CREEP = Range(low=0.5, high=1.0)  # of a gradual drift by an operator that has no slope of its own


def write_draft(transcript: Transcript, choice: Choice, weight: float) -> RuleDraft:
    """Return the draft of a choice."""
    kind, strength = choice.kind, strengths(transcript)
    terms = [term for term, w in kind.weights.items() if w > 0 and strength.get(term, 0) >= LEAST_NEEDED]
    quotes = [f"the {hint.source} says '{hint.quote[:80]}'" for hint in choice.hints[:2]]
    reasons = [*quotes, *terms] or ["it can happen to any series"]
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
        weight=weight,
        evidence=_evidence(transcript, choice, terms),
    )


def _context(transcript: Transcript, choice: Choice, *, regime: bool) -> ContextualPrior:
    """The level and the channels that the text names, otherwise the kind's activity if the series has regimes."""
    level = {tercile for hint in choice.hints for tercile in hint.level}
    channels = list(dict.fromkeys(name for hint in choice.hints for name in hint.channels))
    several = len(transcript.task.get("channels", [])) > 2
    return ContextualPrior(
        activity=list(choice.kind.activity) if regime and not level else [],
        level=sorted(level) if len(level) == 1 else [],
        channels=channels,
        spread="some" if several and len(channels) != 1 else "one",
    )


def _scale(transcript: Transcript, choice: Choice) -> ScalePrior:
    """The size that the text names as a share of the usual value; trials measure operators that set their own size."""
    low, high, unit = choice.kind.scale
    change, usual = _change(choice), _usual_value(transcript, choice)
    if change is not None and usual is not None and OPERATORS[choice.kind.operator].additive:
        ends = sorted(abs(end) * usual for end in (change.low, change.high))
        low, high, unit = max(ends[0], 0.05), max(ends[1], 0.1), "series_sd"
    return ScalePrior(low=low, high=high, unit=unit)  # type: ignore[arg-type]


def _change(choice: Choice) -> Range | None:
    return next((hint.change for hint in choice.hints if hint.change), None)


def _usual_value(transcript: Transcript, choice: Choice) -> float | None:
    """Median of the channel that the text names, or of the first one, in its robust standard deviations."""
    described = next((result.value for result in transcript.results_of("describe_series")), None)
    if described is None:
        return None
    names = described["channels"]
    named = [name for hint in choice.hints for name in hint.channels if name in names] or names
    at = names.index(named[0])
    spread = described["robust_sd"][at]
    return abs(described["median"][at]) / spread if spread > 0 else None


def _duration(transcript: Transcript, choice: Choice) -> DurationPrior:
    """The duration that the text names, if the step between samples is known."""
    low, high, unit = choice.kind.duration
    step, points = transcript.task["plan"].get("step_seconds"), transcript.task.get("training_points")
    seconds = next((hint.seconds for hint in choice.hints if hint.seconds), None)
    if seconds is not None and step:
        most = max(4.0, LONGEST_SHARE * points) if points else seconds.high / step
        high, unit = min(max(seconds.high / step, 2.0), most), "samples"
        low = max(1.0, min(seconds.low / step, high / 2))
    return DurationPrior(low=low, high=high, unit=unit)  # type: ignore[arg-type]


def _parameters(choice: Choice) -> list[Parameter]:
    """The kind's parameters; for a change of gain, the factor that the text names."""
    bounds_of: dict[str, tuple[float, float]] = dict(choice.kind.parameters)
    change = _change(choice)
    if change is not None and choice.kind.operator == "amplitude_scale":
        bounds = OPERATORS["amplitude_scale"].parameters["factor"]
        bounds_of["factor"] = (max(bounds.lower, 1 + change.low), min(bounds.upper, 1 + change.high))
    return [Parameter(name=name, low=low, high=high) for name, (low, high) in bounds_of.items()]


def _evidence(transcript: Transcript, choice: Choice, terms: list[str]) -> list[Evidence]:
    """Quotes of the text, and the findings and sightings that support the choice."""
    findings = [f for f in transcript.task["profile"]["findings"] if f["term"] in terms][:3]
    sightings = [s for s in transcript.task["inspection"]["sightings"] if s["look"] in terms][:1]
    evidence = [Evidence(kind="text", id=h.source, quote=h.quote, line=h.line) for h in choice.hints[:3]]
    evidence += [Evidence(kind="tool", id=e, quote=f["term"]) for f in findings for e in f["evidence"][:1]]
    return evidence + [Evidence(kind="picture", id=s["evidence"], quote=s["look"]) for s in sightings]
