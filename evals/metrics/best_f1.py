"""F1 at the best of all thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve

from ape.evals.metrics.checks import checked


def best_f1(labels: ArrayLike, scores: ArrayLike) -> float:
    """Highest harmonic mean of precision and recall over all distinct thresholds.

    An oracle's number: the threshold is chosen with the test labels, so nobody gets it in use. A random score comes out
    near ``2 a / (1 + a)``, with a the share of anomalous points, by flagging everything.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, or lengths that differ.
    """
    truth, given = checked(labels, scores)
    precision, recall, _ = precision_recall_curve(truth, given)
    total = precision + recall
    return float(np.max(2 * precision * recall / np.where(total > 0, total, 1)))
