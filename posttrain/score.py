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
WEIGHTS = np.array([0.2, 0.2, 1, 1, 1, 0, 0, 0, 0.05]) / 3.45
HEADS = 2
HEADS_ALONE, WITHOUT_HEADS = (
    WEIGHTS * of_head / WEIGHTS[of_head].sum()
    for of_head in (np.arange(len(WEIGHTS)) < HEADS, np.arange(len(WEIGHTS)) >= HEADS)
)
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
    """Running mean, at each point, over the windows that cover it; points are given out once no later one can."""

    def __init__(self) -> None:
        self.begin = 0  # of the points that are still at work
        self.sums = np.zeros(len(MEASURES))  # of eight measures, and the count, at the point before
        self.change = np.zeros((0, len(MEASURES)))  # of them from point to point
        self.points = np.zeros(0)

    def add(self, starts: np.ndarray, squashed: Measured) -> np.ndarray:
        """Add windows that begin at ``starts``, int64 [N], in rising order over all calls.

        Returns
        -------
        ndarray, float64 [n, 9]
            The curves of the points before these windows; NaN where no window covers a point.
        """
        finished = self.given_out(int(starts[0]) - self.begin)
        window, at = squashed.points.shape[1], starts - self.begin
        missing = max(0, int(at[-1]) + window + 1 - len(self.points))
        self.change = np.pad(self.change, ((0, missing), (0, 0)))
        self.points = np.pad(self.points, (0, missing))
        rows = np.column_stack([squashed.windows, np.ones(len(starts))])
        np.add.at(self.change, at, rows)
        np.subtract.at(self.change, at + window, rows)
        sums = np.bincount((at[:, None] + np.arange(window)).ravel(), weights=squashed.points.ravel())
        self.points[: len(sums)] += sums
        return finished

    def given_out(self, count: int) -> np.ndarray:
        """Curves [count, 9] of the next points, which are done with."""
        missing = max(0, count - len(self.points))
        change = np.pad(self.change[:count], ((0, missing), (0, 0)))
        points = np.pad(self.points[:count], (0, missing))
        sums = self.sums + change.cumsum(axis=0)
        self.begin += count
        self.sums = sums[-1] if count else self.sums
        self.change, self.points = self.change[count:], self.points[count:]
        covering = np.where(sums[:, -1] > 0.5, sums[:, -1], np.nan)
        return np.column_stack([sums[:, :-1], points]) / covering[:, None]


def spread(squashed: Measured, starts: np.ndarray, length: int) -> np.ndarray:
    """Curves [length, 9] of windows at ``starts`` in one go."""
    overlap = Overlap()
    before = overlap.add(starts, squashed)
    return np.concatenate([before, overlap.given_out(length - len(before))])


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
    weights : ndarray [9]
        Of the measures in the score.
    """

    bounds: Bounds
    knots: np.ndarray
    excess: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, normal: Measured, starts: np.ndarray, weights: np.ndarray = WEIGHTS) -> Calibration:
        """Calibrate on normal windows at ``starts``, int64 [N], in order."""
        bounds = Bounds.fit(normal)
        length = int(starts[-1] - starts[0]) + normal.points.shape[1]
        curves = spread(bounds.squash(normal), starts - starts[0], length)
        return cls(bounds, *tails(curves[np.isfinite(curves).all(axis=1)]), weights)

    def surprise(self, curves: np.ndarray) -> np.ndarray:
        """Minus log tail probability of squashed values [..., 9]."""
        probabilities = np.linspace(0, EMPIRICAL, KNOTS)
        empirical = np.stack(
            [np.interp(curves[..., k], knots, probabilities) for k, knots in enumerate(self.knots)], axis=-1
        )
        return np.maximum(curves - self.knots[:, -1], 0) / self.excess - np.log1p(-empirical)

    def fuse(self, curves: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """One score from squashed values [..., 9]: the weighted mean of the logarithms of their surprises and one.

        The logarithm lets several measures that agree outdo a single one that is far beyond what it was calibrated on.
        """
        return np.log1p(self.surprise(curves)) @ (self.weights if weights is None else weights)
