"""What a sentence means: whether it names a failure, and of which mechanism and morphology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ape.agents.understanding.hints import _HARMLESS, MECHANISM, MORPHOLOGY, _weights

Role = Literal["failure", "benign", "normal", "other", "not understood"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Meaning:
    """What a sentence means.

    Parameters
    ----------
    roles : dict of str to float
        Probability that it names a failure, something unusual that is normal ("benign": must not alarm), describes
        the scenario or what is normal, speaks of another machine, or cannot be understood.
    mechanisms, morphologies : dict of str to float
        Probability of each term of `ape.rules.vocabulary`, if it names something unusual.
    """

    roles: dict[Role, float]
    mechanisms: dict[str, float]
    morphologies: dict[str, float]


def meanings(texts: Sequence[str]) -> list[Meaning]:
    """Return what each of some sentences means."""
    return [_meaning(text) for text in texts]


def _meaning(text: str) -> Meaning:
    mechanisms, morphologies = (
        {term: weight for term, (weight, _) in _weights(text, patterns).items()} for patterns in (MECHANISM, MORPHOLOGY)
    )
    role: Role = "normal" if _HARMLESS.search(text) else "failure" if mechanisms else "not understood"
    return Meaning({each: float(each == role) for each in ROLES}, _shares(mechanisms), _shares(morphologies))


def _shares(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {term: weight / total for term, weight in weights.items()}
