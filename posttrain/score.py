"""From measures of windows to one score a point: bounded, spread over points, calibrated on normal data, fused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# The last one is measured a point.
MEASURES = (
    "head",
    "steady_head",
    "nearest",
    "nearest_shape",
    "residual",
    "error",
    "mahalanobis",
    "raw_nearest",
    "point_error",
)
# Those without a weight are controls only.
WEIGHTS = np.array([0.4, 0.4, 1, 1, 0.5, 0, 0, 0, 0.35]) / 3.65
HEADS = 2
KNOTS = 129  # of the empirical part of a tail
EMPIRICAL = 0.8  # quantile up to which the tail is empirical; exponential above


class Measured(NamedTuple):
    """What is measured of N windows.

    Parameters
    ----------
    windows : ndarray, float64 [N, 8]
        All of ``MEASURES`` but the last, one value a window.
    points : ndarray, float32 [N, L]
        Squared reconstruction error at each point, mean over channels, standardised.
    """

    windows: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Bounds:
    """Squashing of measures to m / (m + bound), so that one huge value does not drown its neighbours.

    The bound is twice the 99 % quantile over normal windows. The heads' measures, cosines, are bounded by nature.
    """

    windows: np.ndarray
    points: float

    @classmethod
    def fit(cls, normal: Measured) -> Bounds:
        """Take the bounds from normal windows."""
        windows = 2 * np.quantile(normal.windows, 0.99, axis=0) + 1e-12
        return cls(windows, 2 * float(np.quantile(normal.points, 0.99)) + 1e-12)

    def squash(self, measured: Measured) -> Measured:
        """Bounded measures."""
        windows = measured.windows / (measured.windows + self.windows)
        windows[:, :HEADS] = measured.windows[:, :HEADS]
        return Measured(windows, measured.points / (measured.points + self.points))


class Overlap:
    """Running mean, at each point, over the windows that cover it, in memory linear in the length."""

    def __init__(self, length: int) -> None:
        self.change = np.zeros((length + 1, len(MEASURES)))  # of eight sums and the count from point to point
        self.points = np.zeros(length)

    def add(self, starts: np.ndarray, squashed: Measured) -> None:
        """Add windows that begin at ``starts``, int64 [N]."""
        window = squashed.points.shape[1]
        rows = np.column_stack([squashed.windows, np.ones(len(starts))])
        np.add.at(self.change, starts, rows)
        np.subtract.at(self.change, starts + window, rows)
        at = (starts[:, None] + np.arange(window)).ravel()
        first = int(at.min())
        sums = np.bincount(at - first, weights=squashed.points.ravel())
        self.points[first : first + len(sums)] += sums

    def mean(self) -> np.ndarray:
        """Curves of all measures, float64 [length, 9]; NaN where no window covers a point."""
        sums = self.change[:-1].cumsum(axis=0)
        count = np.where(sums[:, -1] > 0.5, sums[:, -1], np.nan)
        sums[:, -1] = self.points
        return sums / count[:, None]


def spread(squashed: Measured, starts: np.ndarray, length: int) -> np.ndarray:
    """Curves [length, 9] of windows at ``starts`` in one go."""
    overlap = Overlap(length)
    overlap.add(starts, squashed)
    return overlap.mean()


def tails(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots [M, 129] and mean excess [M] of curves [T, M] of normal points, see `Calibration`."""
    knots = np.quantile(normal, np.linspace(0, EMPIRICAL, KNOTS), axis=0).T
    over = np.maximum(normal - knots[:, -1], 0)
    excess = over.sum(axis=0) / np.maximum((over > 0).sum(axis=0), 1)
    return np.ascontiguousarray(knots), np.maximum(excess, 1e-6)


@dataclass(frozen=True)
class Calibration:
    """How unusual a value is among normal ones: minus log tail probability, for all measures at once.

    Up to the 80 % quantile the tail is that of the normal values themselves, above it an exponential with their mean
    excess, so that no value is ever off the scale.

    Parameters
    ----------
    bounds : Bounds
    knots : ndarray [9, 129]
        Quantiles 0 to 80 % of the squashed measures, spread over points.
    excess : ndarray [9]
        Mean excess over the last knot.
    """

    bounds: Bounds
    knots: np.ndarray
    excess: np.ndarray

    @classmethod
    def fit(cls, normal: Measured, starts: np.ndarray) -> Calibration:
        """Calibrate on normal windows at ``starts``, int64 [N], in order."""
        bounds = Bounds.fit(normal)
        length = int(starts[-1] - starts[0]) + normal.points.shape[1]
        curves = spread(bounds.squash(normal), starts - starts[0], length)
        return cls(bounds, *tails(curves[np.isfinite(curves).all(axis=1)]))

    def surprise(self, curves: np.ndarray) -> np.ndarray:
        """Minus log tail probability of squashed values [..., 9]."""
        probabilities = np.linspace(0, EMPIRICAL, KNOTS)
        empirical = np.stack(
            [np.interp(curves[..., k], knots, probabilities) for k, knots in enumerate(self.knots)], axis=-1
        )
        return np.maximum(curves - self.knots[:, -1], 0) / self.excess - np.log1p(-empirical)

    def fuse(self, curves: np.ndarray, weights: np.ndarray = WEIGHTS) -> np.ndarray:
        """One score from squashed values [..., 9]: the weighted mean of their surprises."""
        return self.surprise(curves) @ weights
