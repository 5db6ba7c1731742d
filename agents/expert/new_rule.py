"""Answer a person's request to add a rule: find the kind of failure in the words, and write a draft."""

from __future__ import annotations

import re

from ape.agents.expert.rule_kinds import RULE_KINDS, RuleKind
from ape.agents.expert.transcript import ToolCalls, Transcript
from ape.agents.records import Hint
from ape.agents.understanding.hints import find_hints
from ape.agents.understanding.quantities import sampling_step
from ape.rules import OPERATORS
from ape.rules.schema import (
    CONVERSATION,
    ContextualPrior,
    DurationPrior,
    Evidence,
    Parameter,
    RuleDraft,
    ScalePrior,
    Step,
)

READ_TEXT = "read_text"  # the tool
FALLBACK_PERIOD = 64  # samples, for durations in periods if the series has no period
_ADD = re.compile(
    r"^\s*(?:please\s+)?(?:add|propose|write|include)\b[^:]*?\b(?:rule|failure|mode|anomal\w+)\b\s*:?", re.I
)
_SAMPLES = re.compile(r"\b(\d+)(?:\s*(?:to|-|–|and)\s*(\d+))?\s*(?:samples?|points?|steps?)\b", re.I)
_MOVES = re.compile(r"\b(?:drop|fall|sink|rise|climb|surge|plunge|go(?:es)? (?:up|down))(?:s|ped|en)?\b", re.I)


def asks_for_new_rule(text: str) -> bool:
    """Return whether a request is to add a rule."""
    return _ADD.match(text) is not None


def calls_for_new_rule(transcript: Transcript) -> ToolCalls | str:
    """Return the call that adds the requested rule, or that looks up what is missing, or a question."""
    text = _ADD.sub("", transcript.request).strip() or transcript.request
    channels = transcript.task.get("channels", [])
    hints = find_hints([(1, text)], channels) or find_hints([(1, _MOVES.sub("jumps", text))], channels)
    if not hints:
        return (
            "I do not see which kind of failure you mean. Describe what happens: it sticks, drifts, jumps, drops out,"
            " ..."
        )
    hint = hints[0]
    if hint.seconds is not None and not _SAMPLES.search(text) and _step_seconds(transcript, text) is None:
        if not transcript.called(READ_TEXT):
            return [(READ_TEXT, {})]
        return (
            "You gave a time, but I do not know how far apart the samples are. Give the length in samples, or add the"
            " sampling step to your sentence, as in 'sampled every 10 s'."
        )
    same_mechanism = [c for c in RULE_KINDS if c.mechanism == hint.mechanism and _possible(c, transcript)]
    same_morphology = [kind for kind in same_mechanism if kind.morphology == hint.morphology]
    if not same_mechanism:
        return f"I cannot generate anomalies of the kind {hint.mechanism.replace('_', ' ')} in this series."
    draft = _draft(transcript, (same_morphology or same_mechanism)[0], hint, text)
    return [("add_rule", {"draft": draft.model_dump(mode="json"), "asked": transcript.request[:400]})]


def _step_seconds(transcript: Transcript, text: str) -> float | None:
    """Seconds between samples: from the timestamps, the request, or the scenario's text."""
    texts = [line["text"] for result in transcript.results_of(READ_TEXT) for line in result.value["lines"]]
    steps = (sampling_step(each) for each in (text, *texts))
    return transcript.task.get("step_seconds") or next((step for step in steps if step), None)


def _possible(kind: RuleKind, transcript: Transcript) -> bool:
    """Whether the series has the period and the channels that a kind needs."""
    several = len(transcript.task.get("channels", [])) > 1
    cyclic = bool(transcript.task.get("period")) or "periodic" not in kind.needs
    return cyclic and (several or not OPERATORS[kind.operator].relational)


def _draft(transcript: Transcript, kind: RuleKind, hint: Hint, text: str) -> RuleDraft:
    taken = {*transcript.task.get("rules", []), *transcript.task.get("dropped", [])}
    names = (f"{kind.id}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 99))))
    return RuleDraft(
        note=f"requested: {text}"[:400],
        id=next(name for name in names if name not in taken),
        mechanism=kind.mechanism,
        morphology=kind.morphology,
        context=ContextualPrior(level=hint.level if len(hint.level) == 1 else [], channels=hint.channels),
        scale=ScalePrior(low=kind.scale[0], high=kind.scale[1], unit=kind.scale[2]),  # type: ignore[arg-type]
        duration=_duration(transcript, kind, hint, text),
        program=[
            Step(
                operator=kind.operator,
                parameters=[Parameter(name=n, low=low, high=high) for n, (low, high) in kind.parameters.items()],
            )
        ],
        evidence=[Evidence(kind="text", id=CONVERSATION, quote=text[:300])],
    )


def _duration(transcript: Transcript, kind: RuleKind, hint: Hint, text: str) -> DurationPrior:
    """The requested duration in samples, or in seconds if the sampling step is known; otherwise the kind's."""
    step = _step_seconds(transcript, text)
    if samples := _SAMPLES.search(text):
        low = float(samples[1])
        return DurationPrior(low=max(low, 1.0), high=max(float(samples[2] or 2 * low), low, 1.0), unit="samples")
    if hint.seconds is not None and step:
        low = max(hint.seconds.low / step, 1.0)
        return DurationPrior(low=low, high=max(hint.seconds.high / step, low), unit="samples")
    low, high, unit = kind.duration
    if unit == "periods" and not transcript.task.get("period"):
        low, high = low * FALLBACK_PERIOD, max(high * FALLBACK_PERIOD, low * FALLBACK_PERIOD)
        unit = "samples"
    return DurationPrior(low=max(low, 1.0) if unit == "samples" else low, high=high, unit=unit)  # type: ignore[arg-type]
