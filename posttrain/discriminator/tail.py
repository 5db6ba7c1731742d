"""Calibrated scores: minus log10 of the share of normal points that score as high, and their fusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXTRAPOLATED = 0.05  # highest share of the normal points; above its limit, their excess is taken as exponential
GRID = 1000  # quantiles below the limit
LEAST_EXCESS = 1e-6  # mean excess of normal points that are all equal


@dataclass(frozen=True)
class Tail:
    """How high normal points score.

    Parameters
    ----------
    quantiles : ndarray [1000]
        Of the lower 95 %.
    excess : float
        Mean excess of the others above the last quantile.
    """

    quantiles: np.ndarray
    excess: float

    @classmethod
    def fit(cls, normal: np.ndarray) -> Tail:
        """Measure the scores of normal points, [n]."""
        # Interpolation rounds, so that quantiles of equal scores may differ in the last bit, in either direction.
        quantiles = np.maximum.accumulate(np.quantile(normal, np.linspace(0, 1 - EXTRAPOLATED, GRID)))
        above = normal[normal > quantiles[-1]]
        return cls(quantiles, max(float((above - quantiles[-1]).mean()) if len(above) else 0.0, LEAST_EXCESS))

    @property
    def constant(self) -> bool:
        """Whether all normal points are equal."""
        return bool(self.quantiles[0] == self.quantiles[-1]) and self.excess <= LEAST_EXCESS

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return minus log10 of the share of normal points that score as high, float [T]."""
        below = np.searchsorted(self.quantiles, scores, side="left") / GRID * (1 - EXTRAPOLATED)
        beyond = (scores - self.quantiles[-1]).clip(min=0) / self.excess
        return -np.log10(1 - below) + beyond / np.log(10)


def fuse(rules: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Fuse the calibrated voice of the rules with the calibrated free voice, float [T].

    The free voice enters by its logarithm: its false alarms are far beyond all normal points, so that a plain sum or a
    maximum would drown what the rules know. Chosen on tuning faults.
    """
    return rules + np.log1p(free)
