"""F1 at the best threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import precision_recall_curve

from ape.evals.metrics.checks import validate


def best_f1(labels: ArrayLike, scores: ArrayLike) -> float:
    """Compute the highest harmonic mean of precision and recall over all distinct thresholds.

    The threshold is chosen with the test labels, so this is an upper bound that no deployed threshold reaches. A random
    score gets about ``2 a / (1 + a)``, where a is the share of anomalous points, by flagging everything.

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
    truth, values = validate(labels, scores)
    precision, recall, _ = precision_recall_curve(truth, values)
    total = precision + recall
    return float(np.max(2 * precision * recall / np.where(total > 0, total, 1)))
