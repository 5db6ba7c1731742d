"""What a sentence means: whether it names a failure, and of which mechanism and morphology.

Linear models on the features of a sentence give calibrated probabilities; for mechanisms and morphologies, what the
phrases mean that the sentence resembles counts as well. ``python -m ape.evals.sentences train`` trains them;
``docs/results/sentences.md`` compares them with other ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import scipy.sparse
import scipy.special

from ape.agents.understanding.language import ENGLISH, language

Role = Literal["failure", "benign", "normal", "other", "not understood"]
ROLES: tuple[Role, ...] = get_args(Role)
WEIGHTS = Path(__file__).parent / "meaning.npz"
SHARPNESS = 0.08  # of similarities: a phrase that is this much more similar counts e times as much
LEAST_SHARE = 1e-6  # of phrases of a term


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
    phrases : ndarray of int, shape (n_phrases,), optional
        Index of the term of each phrase.
    temperature : float
        Divisor of all, which calibrates the probabilities.
    """

    terms: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    phrases: np.ndarray | None = None
    temperature: float = 1.0

    def logits(self, features: scipy.sparse.csr_matrix, similar: np.ndarray | None = None) -> np.ndarray:
        """Return the logits of terms, shape (n_texts, n_terms), from features and similarities to the phrases."""
        logits = features @ self.weights + self.bias
        if self.phrases is not None and similar is not None:
            near = scipy.special.softmax(similar / SHARPNESS, axis=1)
            of_term = np.arange(len(self.terms)) == self.phrases[:, None]
            logits = logits + np.log(near @ of_term + LEAST_SHARE)
        return logits / self.temperature

    def probabilities(
        self, features: scipy.sparse.csr_matrix, similar: np.ndarray | None = None
    ) -> list[dict[str, float]]:
        """Return the probability of each term for each text."""
        shares = scipy.special.softmax(self.logits(features, similar), axis=1)
        return [dict(zip(self.terms, map(float, row), strict=True)) for row in shares]


class Models(NamedTuple):
    """The models of each task, and the features of the phrases that texts are compared with."""

    heads: dict[str, Head]
    phrases: dict[str, Any]


def meanings(texts: Sequence[str]) -> list[Meaning]:
    """Return what each of some sentences means."""
    from ape.agents.understanding.features import features_by_part, similarities, stacked

    if not texts:
        return []
    models, parts = _models(), features_by_part(texts)
    rows, similar = stacked(parts), similarities(parts, models.phrases)
    roles, mechanisms, morphologies = (
        models.heads[name].probabilities(rows, similar) for name in ("role", "mechanism", "morphology")
    )
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
def _models() -> Models:
    from ape.agents.understanding.features import COMPARED, features_by_part

    with np.load(WEIGHTS, allow_pickle=False) as file:
        heads = {
            name: Head(
                tuple(map(str, file[f"{name}_terms"])),
                file[f"{name}_weights"].astype(np.float32),
                file[f"{name}_bias"].astype(np.float32),
                file.get(f"{name}_phrases"),
                float(file[f"{name}_temperature"]),
            )
            for name in ("role", "mechanism", "morphology")
        }
        return Models(heads, dict(features_by_part(list(map(str, file["phrases"])), COMPARED)))
