"""Point-adjusted F1, always reported beside that of random scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import validate
from ape.evals.metrics.pa_k import adjusted_f1


class PointAdjustedF1(NamedTuple):
    """Point-adjusted F1 of a score, and of random scores on the same labels.

    Attributes
    ----------
    value : float
        In [0, 1].
    random : float
        Mean over independent uniform scores, in [0, 1]. A value near or below it is no evidence.
    """

    value: float
    random: float


def point_adjusted_f1(labels: ArrayLike, scores: ArrayLike, seeds: Sequence[int] = range(10)) -> PointAdjustedF1:
    """Compute F1 at the best threshold where one flagged point detects its whole event.

    Xu et al., "Unsupervised anomaly detection via variational auto-encoder for seasonal KPIs in web applications", WWW
    2018. Long events are detected by chance: random scores can reach 0.9 and more (Kim et al., "Towards a rigorous
    evaluation of time-series anomaly detection", AAAI 2022). Therefore the figure of random scores is returned too. All
    thresholds are chosen with the test labels.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.
    seeds : sequence of int
        One random score is drawn for each.

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, lengths that differ, or no seed.
    """
    truth, values = validate(labels, scores)
    if not len(seeds):
        raise InputError("no seed", "point-adjusted F1", "give at least one seed for the random scores")
    random_scores = (np.random.default_rng(seed).random(len(truth)) for seed in seeds)
    value, *random = (adjusted_f1(truth, each, [0])[0] for each in (values, *random_scores))
    return PointAdjustedF1(value, float(np.mean(random)))
