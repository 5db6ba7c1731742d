"""Which kinds of rules the evidence speaks for: what the text names first, then what the series lets one expect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from ape.agents.expert.candidates import CANDIDATES, Candidate
from ape.agents.expert.reading import Transcript
from ape.agents.records import Hint

BAR = 0.4  # score that a kind of rule needs that no text names
NAMED = 1.0  # what being named adds
NEEDED = 0.3  # strength of a finding without which a kind of rule makes no sense
TIE = 0.3  # weight of what the series says among operators for what the text says
SAME_FORM, SAME_MECHANISM = 1.0, 0.6  # for a candidate that looks, or comes about, as the text says


@dataclass(frozen=True)
class Choice:
    """A kind of rule, the mechanism that it stands for here, how much speaks for it, and the hints that name it."""

    candidate: Candidate
    mechanism: str
    score: float
    hints: tuple[Hint, ...] = ()

    @property
    def id(self) -> str:
        """Id of its rule."""
        own = self.mechanism == self.candidate.mechanism
        return self.candidate.id if own else f"{self.candidate.id}-{self.mechanism.replace('_', '-')}"[:40]


def chosen(seen: Transcript, most: int, without: Iterable[str] = ()) -> list[Choice]:
    """Best kinds of rules first: one of each mechanism before the second of any.

    Operators in ``without`` are left out.
    """
    strength = strengths(seen)
    usable = [
        candidate
        for candidate in CANDIDATES
        if candidate.operator not in without and all(strength.get(term, 0.0) >= NEEDED for term in candidate.needs)
    ]
    by_text = _named(seen, usable, strength)
    taken = {choice.candidate.operator for choice in by_text}
    others = [Choice(c, c.mechanism, _evidence(c, strength)) for c in usable if c.operator not in taken]
    by_series = sorted((choice for choice in others if choice.score >= BAR), key=lambda choice: -choice.score)
    first: list[Choice] = []
    second: list[Choice] = []
    covered: set[str] = set()
    for choice in [*by_text, *by_series]:
        (second if choice.mechanism in covered else first).append(choice)
        covered.add(choice.mechanism)
    return [*first, *second][:most]


def strengths(seen: Transcript) -> dict[str, float]:
    """Largest strength of each finding and sighting."""
    strength: dict[str, float] = {}
    findings = seen.task.get("profile", {}).get("findings", [])
    sightings = seen.task.get("inspection", {}).get("sightings", [])
    for term, value in [(f["term"], f["strength"]) for f in findings] + [(s["look"], s["strength"]) for s in sightings]:
        strength[term] = max(value, strength.get(term, 0.0))
    return strength


def clarity(hints: Iterable[Hint]) -> float:
    """How plainly several hints together say the same, 0 to 1."""
    return 1 - prod(1 - hint.strength for hint in hints)


def _named(seen: Transcript, usable: list[Candidate], strength: dict[str, float]) -> list[Choice]:
    """For each mechanism and morphology that the text names, clearest first, the free operator that fits best."""
    hints: defaultdict[tuple[str, str | None], list[Hint]] = defaultdict(list)
    for told in seen.task.get("plan", {}).get("hints", []):
        hint = Hint.model_validate(told)
        hints[hint.mechanism, hint.morphology].append(hint)
    choices: list[Choice] = []
    for (mechanism, form), group in sorted(hints.items(), key=lambda pair: -clarity(pair[1])):
        taken = {choice.candidate.operator for choice in choices}
        fits = {
            candidate: SAME_FORM * (candidate.morphology == form) + SAME_MECHANISM * (candidate.mechanism == mechanism)
            for candidate in usable
            if candidate.operator not in taken
        }
        best = max(fits, key=lambda c: fits[c] + TIE * _evidence(c, strength), default=None)
        if best is not None and fits[best] > 0:
            choices.append(Choice(best, mechanism, round(NAMED + clarity(group), 3), tuple(group)))
    return choices


def _evidence(candidate: Candidate, strength: dict[str, float]) -> float:
    score = candidate.prior + sum(weight * strength.get(term, 0.0) for term, weight in candidate.weights.items())
    return round(score, 3)
