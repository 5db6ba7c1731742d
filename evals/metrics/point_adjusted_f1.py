"""Point-adjusted F1, never without what a random score gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ape.core.errors import InputError
from ape.evals.metrics.checks import checked
from ape.evals.metrics.pa_k import adjusted_f1


class PointAdjustedF1(NamedTuple):
    """Point-adjusted F1 of a score and, on the same labels, of random ones.

    Attributes
    ----------
    value : float
        In [0, 1].
    random : float
        Mean over independent uniform scores, in [0, 1]. A value near or below it shows nothing.
    """

    value: float
    random: float


def point_adjusted_f1(labels: ArrayLike, scores: ArrayLike, seeds: Sequence[int] = range(10)) -> PointAdjustedF1:
    """F1 where one flagged point counts for its whole event, at the best threshold; beside that of random scores.

    Xu et al., "Unsupervised anomaly detection via variational auto-encoder for seasonal KPIs in web applications", WWW
    2018. Long events are found by chance: random scores can reach 0.9 and more (Kim et al., "Towards a rigorous
    evaluation of time-series anomaly detection", AAAI 2022). The thresholds are chosen with the test labels.

    Parameters
    ----------
    labels : array [T]
        1 where a point is anomalous, else 0.
    scores : array [T]
        Higher is more anomalous.
    seeds : sequence of int
        One random score is drawn from each.

    Raises
    ------
    InputError
        No anomalous point, scores that are not finite, lengths that differ, or no seed.
    """
    truth, given = checked(labels, scores)
    if not len(seeds):
        raise InputError("no seed", "point-adjusted F1", "give at least one, for the random scores beside the value")
    drawn = (np.random.default_rng(seed).random(len(truth)) for seed in seeds)
    value, *random = (adjusted_f1(truth, some, [0])[0] for some in (given, *drawn))
    return PointAdjustedF1(value, float(np.mean(random)))
