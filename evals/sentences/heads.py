"""Train the linear models of meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.special
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from ape.agents.understanding.features import COMPARED, features, features_by_part, similarities
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


def train(
    rows: Sequence[Labelled],
    composed: Sequence[Labelled],
    task: str,
    embed: Embedding = features,
    phrases: Sequence[Labelled] = (),
) -> Head:
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
    phrases : sequence of Labelled
        Phrases that texts are compared with, except for their roles.
    """
    x, y, weights, _ = _material(rows, composed, task, embed)
    head = _fitted(x, y, weights)
    if task == "role" or not phrases:
        return head
    return replace(head, phrases=np.array([head.terms.index(answers(row, task)[0]) for row in phrases], np.int16))


def calibrated(
    head: Head,
    rows: Sequence[Labelled],
    composed: Sequence[Labelled],
    task: str,
    phrases: Sequence[Labelled] = (),
    seed: int = 0,
) -> Head:
    """Return a trained model with the temperature that cross validation over the labelled sentences gives.

    The temperature has the highest likelihood (Guo et al. 2017, On calibration of modern neural networks).

    Parameters
    ----------
    head : Head
        From `train` with the same sentences.
    rows, composed, task, phrases
        As for `train`.
    seed : int
        For the folds.
    """
    x, y, weights, count = _material(rows, composed, task, features)
    used_rows = [row.text for row in _used(rows, task)]
    similar = similarities(*(features_by_part(texts, COMPARED) for texts in (used_rows, [row.text for row in phrases])))
    others = np.arange(count, len(y))
    logits = np.zeros((count, len(head.terms)))
    for fold, rest in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(np.zeros(count), y[:count]):
        used = np.r_[fold, others]
        fitted = replace(_fitted(x[used], y[used], weights[used]), phrases=head.phrases)
        logits[rest] = fitted.logits(x[rest], similar[rest])
    right = np.searchsorted(head.terms, y[:count])

    def loss(log_temperature: float) -> float:
        shares = scipy.special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(shares[np.arange(count), right].mean())

    temperature = float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))
    return replace(head, temperature=temperature)


def _material(
    rows: Sequence[Labelled], composed: Sequence[Labelled], task: str, embed: Embedding
) -> tuple[scipy.sparse.csr_matrix, np.ndarray, np.ndarray, int]:
    """Features, answers and weights of the sentences of a task, and how many of them, the first, are labelled."""
    labelled = _used(rows, task)
    sentences = [*labelled, *(row for row in composed if answers(row, task))]
    weights = np.full(len(sentences), COMPOSED_WEIGHT)
    weights[: len(labelled)] = 1.0
    x = scipy.sparse.csr_matrix(embed([row.text for row in sentences]))
    return x, np.array([answers(row, task)[0] for row in sentences]), weights, len(labelled)


def _used(rows: Sequence[Labelled], task: str) -> list[Labelled]:
    return [row for row in rows if row.language == "en" and answers(row, task)]


def _fitted(x: scipy.sparse.csr_matrix, y: np.ndarray, weights: np.ndarray) -> Head:
    model = LogisticRegression(C=REGULARISATION, max_iter=100, tol=1e-3).fit(x, y, sample_weight=weights)
    return Head(tuple(map(str, model.classes_)), model.coef_.T, model.intercept_)
