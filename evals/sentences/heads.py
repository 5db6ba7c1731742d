"""Train the linear models of meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.special
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from ape.agents.understanding.features import features
from ape.agents.understanding.meaning import Head
from ape.evals.sentences.labelled import Labelled

TASKS = ("role", "mechanism", "morphology")
REGULARISATION = 8.0  # inverse strength, chosen by cross validation on the tuning half
COMPOSED_WEIGHT = 0.3  # of a composed sentence, relative to a labelled one; likewise
FOLDS = 5

Embedding = Callable[[Sequence[str]], Any]


def answers(row: Labelled, task: str) -> tuple[str, ...]:
    """Return the right answers for a sentence; none where the task does not apply to it.

    The models know English alone: a sentence in another language is "not understood".
    """
    if task == "role":
        return (row.role if row.language == "en" else "not understood",)
    if row.language != "en" or row.role not in ("failure", "benign"):
        return ()
    return row.mechanisms if task == "mechanism" else row.morphologies


def train(
    rows: Sequence[Labelled], composed: Sequence[Labelled], task: str, embed: Embedding = features, seed: int = 0
) -> Head:
    """Train the model of one task, with a temperature from cross validation over the labelled sentences.

    Parameters
    ----------
    rows : sequence of Labelled
        English sentences are used; the language decides about the others.
    composed : sequence of Labelled
        Composed sentences, which weigh less.
    task : str
        One of ``TASKS``.
    embed : callable
        Turns texts into the rows of a matrix.
    seed : int
        For the folds.
    """
    labelled = [row for row in rows if row.language == "en" and answers(row, task)]
    extra = [row for row in composed if answers(row, task)]
    x = scipy.sparse.csr_matrix(embed([row.text for row in [*labelled, *extra]]))
    y = np.array([answers(row, task)[0] for row in [*labelled, *extra]])
    weights = np.r_[np.ones(len(labelled)), np.full(len(extra), COMPOSED_WEIGHT)]
    count, others = len(labelled), np.arange(len(labelled), len(y))
    logits = np.zeros((count, len(np.unique(y))))
    for fold, rest in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(np.zeros(count), y[:count]):
        used = np.r_[fold, others]
        logits[rest] = _fitted(x[used], y[used], weights[used]).decision_function(x[rest])
    model = _fitted(x, y, weights)
    temperature = _temperature(logits, np.searchsorted(model.classes_, y[:count]))
    return Head(tuple(map(str, model.classes_)), model.coef_.T / temperature, model.intercept_ / temperature)


def _fitted(x: scipy.sparse.csr_matrix, y: np.ndarray, weights: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=REGULARISATION, max_iter=150, tol=1e-2).fit(x, y, sample_weight=weights)


def _temperature(logits: np.ndarray, right: np.ndarray) -> float:
    """The temperature with the highest likelihood (Guo et al. 2017, On calibration of modern neural networks)."""

    def loss(log_temperature: float) -> float:
        shares = scipy.special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(shares[np.arange(len(right)), right].mean())

    return float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
