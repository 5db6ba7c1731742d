"""Average precision, the area under the precision-recall curve."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score

from ape.evals.metrics.checks import validate


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Compute the sum over distinct thresholds of (R_k - R_{k-1}) P_k, without interpolation.

    A random score gets about the share of anomalous points.

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
    return min(1.0, float(average_precision_score(truth, values)))  # the sum of a perfect score may round to more
