"""Area under the ROC curve."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from ape.evals.metrics.checks import validate_both_classes


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Compute the chance that a random anomalous point scores above a random normal one. A tie counts half.

    A random score gets about 0.5, however rare anomalies are.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.

    Raises
    ------
    InputError
        No anomalous or no normal point, scores that are not finite, or lengths that differ.
    """
    truth, values = validate_both_classes(labels, scores)
    return float(roc_auc_score(truth, values))
