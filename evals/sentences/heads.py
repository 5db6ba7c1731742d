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
REGULARISATION = 3.0  # inverse strength, chosen by cross validation on the tuning half
COMPOSED_WEIGHT = 0.3  # of a composed sentence, relative to a labelled one; likewise
FOLDS = 3

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


def train(rows: Sequence[Labelled], composed: Sequence[Labelled], task: str, embed: Embedding = features) -> Head:
    """Train the model of one task. Its probabilities are not calibrated.

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
    """
    x, y, weights, _ = _material(rows, composed, task, embed)
    model = _fitted(x, y, weights)
    return Head(tuple(map(str, model.classes_)), model.coef_.T, model.intercept_)


def calibrated(
    head: Head,
    rows: Sequence[Labelled],
    composed: Sequence[Labelled],
    task: str,
    embed: Embedding = features,
    seed: int = 0,
) -> Head:
    """Return a trained model with the temperature that cross validation over the labelled sentences gives.

    The temperature has the highest likelihood (Guo et al. 2017, On calibration of modern neural networks).

    Parameters
    ----------
    head : Head
        From `train` with the same sentences.
    rows, composed, task, embed
        As for `train`.
    seed : int
        For the folds.
    """
    x, y, weights, count = _material(rows, composed, task, embed)
    others = np.arange(count, len(y))
    logits = np.zeros((count, len(head.terms)))
    for fold, rest in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(np.zeros(count), y[:count]):
        used = np.r_[fold, others]
        logits[rest] = _fitted(x[used], y[used], weights[used]).decision_function(x[rest])
    right = np.searchsorted(head.terms, y[:count])

    def loss(log_temperature: float) -> float:
        shares = scipy.special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(shares[np.arange(count), right].mean())

    temperature = float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
    return Head(head.terms, head.weights / temperature, head.bias / temperature)


def _material(
    rows: Sequence[Labelled], composed: Sequence[Labelled], task: str, embed: Embedding
) -> tuple[scipy.sparse.csr_matrix, np.ndarray, np.ndarray, int]:
    """Features, answers and weights of the sentences of a task, and how many of them, the first, are labelled."""
    labelled = [row for row in rows if row.language == "en" and answers(row, task)]
    sentences = [*labelled, *(row for row in composed if answers(row, task))]
    weights = np.full(len(sentences), COMPOSED_WEIGHT)
    weights[: len(labelled)] = 1.0
    x = scipy.sparse.csr_matrix(embed([row.text for row in sentences]))
    return x, np.array([answers(row, task)[0] for row in sentences]), weights, len(labelled)


def _fitted(x: scipy.sparse.csr_matrix, y: np.ndarray, weights: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=REGULARISATION, max_iter=100, tol=1e-3).fit(x, y, sample_weight=weights)
