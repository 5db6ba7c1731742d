"""Turn measures of windows into one score per point: bound them, spread them over points, calibrate and fuse them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# the last one is measured per point, the others per window
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
# measures with weight zero are controls only
WEIGHTS = np.array([0.2, 0.2, 1, 1, 1, 0, 0, 0, 0.05]) / 3.45
HEADS = 2
WEIGHTS_OF_HEADS, WEIGHTS_WITHOUT_HEADS = (
    WEIGHTS * of_head / WEIGHTS[of_head].sum()
    for of_head in (np.arange(len(WEIGHTS)) < HEADS, np.arange(len(WEIGHTS)) >= HEADS)
)
KNOTS = 129  # of the empirical part of a tail
EMPIRICAL = 0.8  # quantile up to which the tail is empirical; above it is exponential


class Measured(NamedTuple):
    """Measures of N windows.

    Parameters
    ----------
    windows : ndarray, float64 [N, 8]
        All of ``MEASURES`` but the last, one value per window.
    points : ndarray, float32 [N, L]
        Squared standardised reconstruction error of each point, mean over channels.
    """

    windows: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Bounds:
    """Bound measures to m / (m + bound), so that one huge value does not dominate its neighbours.

    The bound is twice the 99 % quantile over normal windows. The measures of the heads are cosines and need no bound.
    """

    windows: np.ndarray
    points: float

    @classmethod
    def fit(cls, normal: Measured) -> Bounds:
        """Estimate the bounds from normal windows."""
        windows = 2 * np.quantile(normal.windows, 0.99, axis=0) + 1e-12
        return cls(windows, 2 * float(np.quantile(normal.points, 0.99)) + 1e-12)

    def squash(self, measured: Measured) -> Measured:
        """Return the bounded measures."""
        windows = measured.windows / (measured.windows + self.windows)
        windows[:, :HEADS] = measured.windows[:, :HEADS]
        return Measured(windows, measured.points / (measured.points + self.points))


class Overlap:
    """Running mean over the windows that cover a point. Points are emitted when no later window covers them."""

    def __init__(self) -> None:
        self.begin = 0  # of the points not yet emitted
        self.sums = np.zeros(len(MEASURES))  # of eight measures and the count, at the previous point
        self.change = np.zeros((0, len(MEASURES)))  # of these sums from point to point
        self.points = np.zeros(0)

    def add(self, starts: np.ndarray, squashed: Measured) -> np.ndarray:
        """Add windows at ``starts``, int64 [N], in increasing order over all calls.

        Returns
        -------
        ndarray, float64 [n, 9]
            Curves of the points before these windows; NaN if no window covers a point.
        """
        finished = self.emit(int(starts[0]) - self.begin)
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

    def emit(self, count: int) -> np.ndarray:
        """Return the curves [count, 9] of the next points and forget them."""
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
    """Return the curves [length, 9] of windows at ``starts``."""
    overlap = Overlap()
    before = overlap.add(starts, squashed)
    return np.concatenate([before, overlap.emit(length - len(before))])


def tails(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return knots [M, 129] and mean excess [M] of curves [T, M] of normal points, see `Calibration`."""
    knots = np.quantile(normal, np.linspace(0, EMPIRICAL, KNOTS), axis=0).T
    over = np.maximum(normal - knots[:, -1], 0)
    excess = over.sum(axis=0) / np.maximum((over > 0).sum(axis=0), 1)
    return np.ascontiguousarray(knots), np.maximum(excess, 1e-6)


@dataclass(frozen=True)
class Calibration:
    """Convert measures to a score by their tail probability among normal values.

    Up to the 80 % quantile, the tail is empirical. Above it, the tail is exponential with the mean excess of the normal
    values, so that the score has no upper limit.

    Parameters
    ----------
    bounds : Bounds
    knots : ndarray [9, 129]
        Quantiles 0 to 80 % of the bounded measures, spread over points.
    excess : ndarray [9]
        Mean excess over the last knot.
    weights : ndarray [9]
        Weights of the measures in the score.
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
        """Return the negative log tail probability of bounded values [..., 9]."""
        probabilities = np.linspace(0, EMPIRICAL, KNOTS)
        empirical = np.stack(
            [np.interp(curves[..., k], knots, probabilities) for k, knots in enumerate(self.knots)], axis=-1
        )
        return np.maximum(curves - self.knots[:, -1], 0) / self.excess - np.log1p(-empirical)

    def fuse(self, curves: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Fuse bounded values [..., 9] into one score: the weighted mean of ``log(1 + surprise)``.

        Because of the logarithm, several measures that agree outweigh one extreme measure.
        """
        return np.log1p(self.surprise(curves)) @ (self.weights if weights is None else weights)

    def highest(self, weights: np.ndarray | None = None) -> float:
        """Return the score of a point whose bounded measures are all 1, above those of measured points."""
        return float(self.fuse(np.ones(len(MEASURES)), weights))
