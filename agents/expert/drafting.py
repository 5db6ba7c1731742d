"""From a kind of rule to a draft: priors that the text gives where it does, with the evidence for each."""

from __future__ import annotations

from ape.agents.expert.choosing import NEEDED, Choice, strengths
from ape.agents.expert.reading import Transcript
from ape.rules import OPERATORS, RuleDraft
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, Parameter, Range, ScalePrior, Step

REGIME_BAR = 0.5  # strength of variance_changes from which rules are bound to a regime
LONGEST_SHARE = 1 / 6  # of the training part
CREEPING = Range(low=0.5, high=1.0)


def draft_of(seen: Transcript, choice: Choice, weight: float) -> RuleDraft:
    """The draft of a choice."""
    candidate, strength = choice.candidate, strengths(seen)
    reasons = [term for term, w in candidate.weights.items() if w > 0 and strength.get(term, 0) >= NEEDED]
    said = [f"the {hint.source} says '{hint.quote[:80]}'" for hint in choice.hints[:2]]
    given = [*said, *reasons] or ["it can happen to any series"]
    return RuleDraft(
        note=f"{choice.mechanism}: {', '.join(given)}"[:400],
        id=choice.id,
        mechanism=choice.mechanism,
        morphology=candidate.morphology,
        context=_context(seen, choice, regime=strength.get("variance_changes", 0.0) >= REGIME_BAR),
        scale=_scale(seen, choice),
        duration=_duration(seen, choice),
        creep=CREEPING if choice.mechanism == "gradual_drift" and candidate.operator != "trend_drift" else None,
        program=[Step(operator=candidate.operator, parameters=_parameters(choice))],
        weight=weight,
        evidence=_evidence(seen, choice, reasons),
    )


def _evidence(seen: Transcript, choice: Choice, reasons: list[str]) -> list[Evidence]:
    findings = [f for f in seen.task["profile"]["findings"] if f["term"] in reasons][:3]
    looks = [s for s in seen.task["inspection"]["sightings"] if s["look"] in reasons][:1]
    evidence = [Evidence(kind="text", id=h.source, quote=h.quote, line=h.line) for h in choice.hints[:3]]
    evidence += [Evidence(kind="tool", id=e, quote=f["term"]) for f in findings for e in f["evidence"][:1]]
    return evidence + [Evidence(kind="picture", id=s["evidence"], quote=s["look"]) for s in looks]


def _context(seen: Transcript, choice: Choice, *, regime: bool) -> ContextualPrior:
    """Where the text says so, at this level and in these channels; else where the activity differs."""
    level = {tercile for hint in choice.hints for tercile in hint.level}
    named = [name for hint in choice.hints for name in hint.channels]
    channels = list(dict.fromkeys(named))
    several = len(seen.task.get("channels", [])) > 2
    return ContextualPrior(
        activity=list(choice.candidate.activity) if regime and not level else [],
        level=sorted(level) if len(level) == 1 else [],
        channels=channels,
        spread="some" if several and len(channels) != 1 else "one",
    )


def _duration(seen: Transcript, choice: Choice) -> DurationPrior:
    """As long as the text says, where it does and the step between samples is known."""
    low, high, unit = choice.candidate.duration
    step, points = seen.task["plan"].get("step_seconds"), seen.task.get("training_points")
    said = next((hint.seconds for hint in choice.hints if hint.seconds), None)
    if said is not None and step:
        most = max(4.0, LONGEST_SHARE * points) if points else said.high / step
        high, unit = min(max(said.high / step, 2.0), most), "samples"
        low = max(1.0, min(said.low / step, high / 2))
    return DurationPrior(low=low, high=high, unit=unit)  # type: ignore[arg-type]


def _scale(seen: Transcript, choice: Choice) -> ScalePrior:
    """As large as the text says, where it names a share of the usual value; operators that set their own are tried."""
    low, high, unit = choice.candidate.scale
    change, usual = _change(choice), _usual(seen, choice)
    if change is not None and usual is not None and OPERATORS[choice.candidate.operator].additive:
        ends = sorted(abs(end) * usual for end in (change.low, change.high))
        low, high, unit = max(ends[0], 0.05), max(ends[1], 0.1), "series_sd"
    return ScalePrior(low=low, high=high, unit=unit)  # type: ignore[arg-type]


def _parameters(choice: Choice) -> list[Parameter]:
    """The candidate's parameters; of a change of gain, the share that the text names."""
    given: dict[str, tuple[float, float]] = dict(choice.candidate.parameters)
    change = _change(choice)
    if change is not None and choice.candidate.operator == "amplitude_scale":
        bounds = OPERATORS["amplitude_scale"].parameters["factor"]
        given["factor"] = (max(bounds.lower, 1 + change.low), min(bounds.upper, 1 + change.high))
    return [Parameter(name=name, low=low, high=high) for name, (low, high) in given.items()]


def _change(choice: Choice) -> Range | None:
    return next((hint.change for hint in choice.hints if hint.change), None)


def _usual(seen: Transcript, choice: Choice) -> float | None:
    """Usual value of the channel that the text names, or of the first, in its robust standard deviations."""
    described = next((result.value for result in seen.all("describe_series")), None)
    if described is None:
        return None
    names = described["channels"]
    named = [name for hint in choice.hints for name in hint.channels if name in names] or names
    at = names.index(named[0])
    return abs(described["median"][at]) / max(described["robust_sd"][at], 1e-12)
