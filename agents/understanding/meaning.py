"""What a sentence means: whether it names a failure, and of which mechanism and morphology.

Linear models on the features of a sentence give calibrated probabilities. ``python -m ape.evals.sentences train``
trains them; ``docs/results/sentences.md`` compares them with other ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import scipy.sparse
import scipy.special

from ape.agents.understanding.language import ENGLISH, language

Role = Literal["failure", "benign", "normal", "other", "not understood"]
ROLES: tuple[Role, ...] = get_args(Role)
WEIGHTS = Path(__file__).parent / "meaning.npz"


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
    language : str
        English name of the language. A sentence that is not English is "not understood".
    """

    roles: dict[Role, float]
    mechanisms: dict[str, float]
    morphologies: dict[str, float]
    language: str = ENGLISH


@dataclass(frozen=True)
class Head:
    """A linear model over features.

    Parameters
    ----------
    terms : tuple of str
    weights : ndarray, shape (n_features, n_terms)
    bias : ndarray, shape (n_terms,)
        Weights and bias are divided by the temperature that calibrates the probabilities.
    """

    terms: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, features: scipy.sparse.csr_matrix) -> list[dict[str, float]]:
        """Return the probability of each term for each row of features."""
        shares = scipy.special.softmax(features @ self.weights + self.bias, axis=1)
        return [dict(zip(self.terms, map(float, row), strict=True)) for row in shares]


def meanings(texts: Sequence[str]) -> list[Meaning]:
    """Return what each of some sentences means."""
    from ape.agents.understanding.features import features

    if not texts:
        return []
    heads, rows = _heads(), features(texts)
    roles, mechanisms, morphologies = (heads[name].probabilities(rows) for name in ("role", "mechanism", "morphology"))
    return [
        Meaning(_roles(role, spoken), mechanism, morphology, spoken)
        for role, mechanism, morphology, spoken in zip(
            roles, mechanisms, morphologies, map(language, texts), strict=True
        )
    ]


def _roles(roles: dict[str, float], spoken: str) -> dict[Role, float]:
    if spoken != ENGLISH:
        return {role: float(role == "not understood") for role in ROLES}
    return {role: roles[role] for role in ROLES}


@cache
def _heads() -> dict[str, Head]:
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return {
            name: Head(
                tuple(map(str, file[f"{name}_terms"])),
                file[f"{name}_weights"].astype(np.float32),
                file[f"{name}_bias"].astype(np.float32),
            )
            for name in ("role", "mechanism", "morphology")
        }
