"""Select the kinds of rules that the evidence supports: those that people name, then those that fit the series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ape.agents.expert.failures import Failure, named_failures
from ape.agents.expert.rule_kinds import RULE_KINDS, RuleKind
from ape.agents.expert.transcript import Transcript
from ape.agents.records import Hint

FEW = 4  # rules of a bank, unless a text names more failures
FEW_UNNAMED = 5  # where nobody names a failure
MOST_NAMED = 12  # rules of a proposal
LEAST_SCORE = 0.4  # of a kind of rule that nobody names
LEAST_NEEDED = 0.3  # strength of a finding that a kind of rule needs
NAMED_SHARE = 0.9  # of all incidents, if people name failures
TWO_WEEKS = 1_209_600.0  # seconds
MOST_BENIGN = 4  # things that are normal although they look unusual
CLEAR, UNCLEAR = 0.7, "level-jump"  # strength of a hint that says how it looks, and the kind where it does not
TIE_WEIGHT = 0.3  # of the series' evidence among operators for what people name
SAME_MORPHOLOGY, SAME_MECHANISM = 1.0, 0.6  # fit of a kind to a failure
SIZED = 0.3  # fit of a kind that takes a size to a failure that has one, if it names no morphology
SIGNED = ("level_shift", "trend_drift", "spike_context", "spike_global")  # operators that raise or lower the values
# Mechanisms that say how the anomaly looks: another morphology in the same sentence is that of a side effect.
DEFINITE = ("stuck_sensor", "signal_loss", "saturation", "noise_increase", "decoupling")


@dataclass(frozen=True)
class Choice:
    """A selected kind of rule.

    Parameters
    ----------
    id : str
        Id of its rule.
    kind : RuleKind
    mechanism : str
        Mechanism of the rule; people may name a different one from the kind's.
    weight : float
        Expected share of incidents.
    hints : tuple of Hint
        Hints that name it; empty if the series alone supports it.
    """

    id: str
    kind: RuleKind
    mechanism: str
    weight: float
    hints: tuple[Hint, ...] = ()

    @property
    def failure(self) -> Failure | None:
        """What people name."""
        return Failure(self.hints) if self.hints else None


def select(transcript: Transcript) -> list[list[Choice]]:
    """Return the wanted rules, by weight, each with its alternatives, best first.

    Each failure that the text names gets one rule. Failures that the log alone names, what unclear sentences may mean
    instead, and kinds that the series supports fill up to `FEW`.
    """
    failures = [failure for failure in named_failures(hints_of(transcript)) if alternatives(transcript, failure)]
    in_text = sum(failure.in_text for failure in failures)
    failures = failures[: min(MOST_NAMED, max(FEW, in_text))]
    failures += _second_meanings(transcript, failures)[: max(0, FEW - len(failures))]
    kinds = _supported(transcript, {failure.mechanism for failure in failures})
    kinds = kinds[: FEW - len(failures) if failures else FEW_UNNAMED] if len(failures) < FEW else []
    strength = strengths(transcript)
    scores = [_score(kind, strength) for kind in kinds]
    named_share = 0.0 if not failures else NAMED_SHARE if kinds else 1.0
    wanted = [
        [Choice("", kind, failure.mechanism, weight, failure.hints) for kind in alternatives(transcript, failure)]
        for failure, weight in zip(failures, _shares([f.weight for f in failures], named_share), strict=True)
    ]
    wanted += [
        [Choice("", kind, kind.mechanism, weight)]
        for kind, weight in zip(kinds, _shares(scores, 1 - named_share), strict=True)
    ]
    return with_ids(wanted)


def select_lost(transcript: Transcript) -> list[list[Choice]]:
    """Return one more rule for each named failure that has none, with operators that were not tried for it."""
    lost = transcript.task.get("lost", [])
    tried = {_key(Hint.model_validate(item["hint"])): item["tried"] for item in lost}
    everything = named_failures(hints_of(transcript))
    total = sum(failure.weight for failure in everything)
    wanted = []
    for failure in named_failures([Hint.model_validate(item["hint"]) for item in lost]):
        before = {operator for hint in failure.hints for operator in tried[_key(hint)]}
        kinds = [kind for kind in alternatives(transcript, failure) if kind.operator not in before]
        weight = NAMED_SHARE * failure.weight / total if total else NAMED_SHARE
        wanted.append([Choice("", kind, failure.mechanism, weight, failure.hints) for kind in kinds])
    return with_ids([each for each in wanted if each], transcript.task.get("ids", ()))


def select_benign(transcript: Transcript) -> list[Choice]:
    """Return the best kind for each thing that people call normal although it looks unusual.

    Where they hardly say how it looks, it is a change of level. Dates need times in the data; days that look like
    other days need two weeks of training data as well.
    """
    wanted: list[list[Choice]] = []
    named = [each for each in named_failures(hints_of(transcript, benign=True)) if _has_days(transcript, each)]
    named = named[:MOST_BENIGN]
    for each, weight in zip(named, _shares([each.weight for each in named], 1.0), strict=True):
        kinds = alternatives(transcript, each)
        if each.hints[0].strength < CLEAR:
            kinds = [kind for kind in RULE_KINDS if kind.id == UNCLEAR]
        wanted += [[Choice("", kind, kind.mechanism, weight, each.hints)] for kind in kinds[:1]]
    return [choice for (choice,) in with_ids(wanted, prefix="normal-")]


def _has_days(transcript: Transcript, normal: Failure) -> bool:
    """Whether the data have the times, and the training part the days, that tell when something is normal."""
    dated, days = normal.first("times"), normal.first("like_weekdays")
    points, step = transcript.task.get("training_points"), transcript.task.get("plan", {}).get("step_seconds")
    if days and (points or 0) * (step or 0.0) < TWO_WEEKS:
        return False
    return "first_time" in described(transcript) or not (dated or days)


def described(transcript: Transcript) -> dict[str, Any]:
    """Return the first description of the series; empty if there is none."""
    return next((result.value for result in transcript.results_of("describe_series")), {})


def hints_of(transcript: Transcript, *, benign: bool = False) -> list[Hint]:
    """Return the plan's hints at failures, or those at what is normal although it looks unusual."""
    hints = [Hint.model_validate(plain) for plain in transcript.task.get("plan", {}).get("hints", [])]
    return [hint for hint in hints if hint.benign == benign]


def alternatives(transcript: Transcript, failure: Failure) -> list[RuleKind]:
    """Return the kinds that can be a failure in this series, best first."""
    strength = strengths(transcript)
    fits = {kind: _fit(kind, failure) for kind in _possible(transcript)}
    ranked = sorted(fits, key=lambda kind: -(fits[kind] + TIE_WEIGHT * _score(kind, strength)))
    return [kind for kind in ranked if fits[kind] > 0]


def strengths(transcript: Transcript) -> dict[str, float]:
    """Return the largest strength of each finding and sighting."""
    strength: dict[str, float] = {}
    findings = transcript.task.get("profile", {}).get("findings", [])
    sightings = transcript.task.get("inspection", {}).get("sightings", [])
    for term, value in [(f["term"], f["strength"]) for f in findings] + [(s["look"], s["strength"]) for s in sightings]:
        strength[term] = max(value, strength.get(term, 0.0))
    return strength


def with_ids(wanted: list[list[Choice]], taken: Collection[str] = (), prefix: str = "") -> list[list[Choice]]:
    """Return choices with ids of their own; the first alternatives get theirs first."""
    used = set(taken)
    named: list[list[Choice]] = [[] for _ in wanted]
    for rank in range(max(map(len, wanted), default=0)):
        for place, choices in enumerate(wanted):
            if rank < len(choices):
                choice = choices[rank]
                own = choice.mechanism == choice.kind.mechanism
                name = prefix + (choice.kind.id if own else f"{choice.kind.id}-{choice.mechanism.replace('_', '-')}")
                names = (name[:37] + suffix for suffix in ("", *(f"-{number}" for number in range(2, 99))))
                identity = next(each for each in names if each not in used)
                used.add(identity)
                named[place].append(replace(choice, id=identity))
    return named


def _second_meanings(transcript: Transcript, failures: Sequence[Failure]) -> list[Failure]:
    """What unclear sentences may mean instead, the likeliest first: one of each mechanism that nobody names."""
    found = {failure.mechanism: failure for failure in failures}
    named = set(found)
    seconds = (failure.second for failure in failures if failure.in_text)
    for second in sorted(filter(None, seconds), key=lambda failure: -failure.weight):
        if alternatives(transcript, second):
            found.setdefault(second.mechanism, second)
    return [failure for mechanism, failure in found.items() if mechanism not in named]


def _possible(transcript: Transcript) -> list[RuleKind]:
    """Kinds that make sense in the series."""
    strength = strengths(transcript)
    return [kind for kind in RULE_KINDS if all(strength.get(term, 0.0) >= LEAST_NEEDED for term in kind.needs)]


def _supported(transcript: Transcript, named: Collection[str]) -> list[RuleKind]:
    """Kinds that the series supports, of mechanisms that nobody names; the first of each mechanism first."""
    strength = strengths(transcript)
    kinds = [kind for kind in _possible(transcript) if not kind.named_only and kind.mechanism not in named]
    ranked = sorted(
        (kind for kind in kinds if _score(kind, strength) >= LEAST_SCORE), key=lambda kind: -_score(kind, strength)
    )
    rank: defaultdict[str, int] = defaultdict(int)
    places = []
    for kind in ranked:
        places.append((rank[kind.mechanism] > 0, kind))
        rank[kind.mechanism] += 1
    return [kind for _, kind in sorted(places, key=lambda pair: pair[0])]


def _fit(kind: RuleKind, failure: Failure) -> float:
    same_mechanism, same_morphology = kind.mechanism == failure.mechanism, kind.morphology == failure.morphology
    if failure.mechanism in DEFINITE:
        return same_mechanism * (1 + SAME_MECHANISM * same_morphology)
    fit = SAME_MORPHOLOGY * same_morphology + SAME_MECHANISM * same_mechanism
    sized = failure.morphology is None and (failure.first("amount") or failure.first("change"))
    return fit + SIZED * bool(sized and fit and kind.operator in SIGNED)


def _score(kind: RuleKind, strength: dict[str, float]) -> float:
    """Support of a kind by findings and sightings."""
    score = kind.prior + sum(weight * strength.get(term, 0.0) for term, weight in kind.weights.items())
    return round(score, 3)


def _shares(weights: Sequence[float], total: float) -> list[float]:
    """Positive shares in proportion to weights, which sum to ``total``."""
    positive = [max(weight, 1e-3) for weight in weights]
    return [round(total * weight / sum(positive), 4) for weight in positive]


def _key(hint: Hint) -> tuple[str, int, str, str]:
    return hint.source, hint.line, hint.quote, hint.mechanism
