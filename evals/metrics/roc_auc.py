"""Area under the curve of true against false positive rates."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from ape.evals.metrics.checks import both_kinds


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a random anomalous point scores above a random normal one; a tie counts half.

    A random score comes out near 0.5, however rare anomalies are.

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
    truth, given = both_kinds(labels, scores)
    return float(roc_auc_score(truth, given))
