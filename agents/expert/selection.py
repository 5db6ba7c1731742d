"""Select the kinds of rules that the evidence supports: those that the text names, then those that fit the series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from ape.agents.expert.rule_kinds import RULE_KINDS, RuleKind
from ape.agents.expert.transcript import Transcript
from ape.agents.records import Hint

LEAST_SCORE = 0.4  # of a kind of rule that no text names
NAMED_SCORE = 1.0  # added for a kind of rule that a text names
LEAST_NEEDED = 0.3  # strength of a finding that a kind of rule needs
TIE_WEIGHT = 0.3  # of the series' evidence among operators for what a text names
SAME_MORPHOLOGY, SAME_MECHANISM = 1.0, 0.6  # fit of a kind to what a text names


@dataclass(frozen=True)
class Choice:
    """A selected kind of rule.

    Parameters
    ----------
    kind : RuleKind
    mechanism : str
        Mechanism of the rule; a text may name a different one from the kind's.
    score : float
        Support by the evidence.
    hints : tuple of Hint
        Hints that name it.
    """

    kind: RuleKind
    mechanism: str
    score: float
    hints: tuple[Hint, ...] = ()

    @property
    def id(self) -> str:
        """Id of its rule."""
        own = self.mechanism == self.kind.mechanism
        return self.kind.id if own else f"{self.kind.id}-{self.mechanism.replace('_', '-')}"[:40]


def select(transcript: Transcript, most: int, excluded: Iterable[str] = ()) -> list[Choice]:
    """Return at most ``most`` kinds of rules, best first, without the ``excluded`` operators.

    Each mechanism gets its first rule before any mechanism gets a second one.
    """
    strength = strengths(transcript)
    usable = [
        kind
        for kind in RULE_KINDS
        if kind.operator not in excluded and all(strength.get(term, 0.0) >= LEAST_NEEDED for term in kind.needs)
    ]
    by_text = _named_by_text(transcript, usable, strength)
    taken = {choice.kind.operator for choice in by_text}
    others = [Choice(c, c.mechanism, _score(c, strength)) for c in usable if c.operator not in taken]
    by_series = sorted((choice for choice in others if choice.score >= LEAST_SCORE), key=lambda choice: -choice.score)
    first: list[Choice] = []
    second: list[Choice] = []
    covered: set[str] = set()
    for choice in [*by_text, *by_series]:
        (second if choice.mechanism in covered else first).append(choice)
        covered.add(choice.mechanism)
    return [*first, *second][:most]


def strengths(transcript: Transcript) -> dict[str, float]:
    """Return the largest strength of each finding and sighting."""
    strength: dict[str, float] = {}
    findings = transcript.task.get("profile", {}).get("findings", [])
    sightings = transcript.task.get("inspection", {}).get("sightings", [])
    for term, value in [(f["term"], f["strength"]) for f in findings] + [(s["look"], s["strength"]) for s in sightings]:
        strength[term] = max(value, strength.get(term, 0.0))
    return strength


def _named_by_text(transcript: Transcript, usable: list[RuleKind], strength: dict[str, float]) -> list[Choice]:
    """For each mechanism and morphology that the text names, clearest first, the best operator that is not taken."""
    hints: defaultdict[tuple[str, str | None], list[Hint]] = defaultdict(list)
    for plain in transcript.task.get("plan", {}).get("hints", []):
        hint = Hint.model_validate(plain)
        hints[hint.mechanism, hint.morphology].append(hint)
    choices: list[Choice] = []
    for (mechanism, morphology), group in sorted(hints.items(), key=lambda pair: -_clarity(pair[1])):
        taken = {choice.kind.operator for choice in choices}
        fits = {
            kind: SAME_MORPHOLOGY * (kind.morphology == morphology) + SAME_MECHANISM * (kind.mechanism == mechanism)
            for kind in usable
            if kind.operator not in taken
        }
        best = max(fits, key=lambda c: fits[c] + TIE_WEIGHT * _score(c, strength), default=None)
        if best is not None and fits[best] > 0:
            choices.append(Choice(best, mechanism, round(NAMED_SCORE + _clarity(group), 3), tuple(group)))
    return choices


def _clarity(hints: Iterable[Hint]) -> float:
    """Joint strength of several hints, 0 to 1."""
    return 1 - prod(1 - hint.strength for hint in hints)


def _score(kind: RuleKind, strength: dict[str, float]) -> float:
    """Support of a kind by findings and sightings."""
    score = kind.prior + sum(weight * strength.get(term, 0.0) for term, weight in kind.weights.items())
    return round(score, 3)
