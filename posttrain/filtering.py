"""The normal-candidate filter: find training windows that are unlike all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.posttrain.training_windows import TrainingWindows
from ape.series import Series
from ape.series.numerics import NEGLIGIBLE, dominant_period, robust_scale
from ape.series.windows import longest, steps_at

CUT = 6.0  # robust deviations beyond which a window is suspicious
CUT_UNGUARDED = 4.5  # the same if the training part is not known to be normal
MAX_SUSPICIOUS = 0.2  # largest share of windows that are removed
NEIGHBOURS = 3
TRUSTED = 0.8  # share of windows that set the scales of residuals
SHRINKAGE = 0.05  # of correlations
MAX_BINS = 48  # of a difference, per channel
MAX_CELLS = 384  # of a difference, over all channels
BINS = 4  # of the cycle, of the level and of the activity
STRETCHES = 8  # most in the report

Suspect = Callable[[TrainingWindows, bool], np.ndarray]


def unlike_others(windows: TrainingWindows, vouched: bool) -> np.ndarray:
    """Return which windows are suspicious, bool [R]: those far from all others, at most a fifth.

    Parameters
    ----------
    windows : TrainingWindows
        All training windows.
    vouched : bool
        Whether the training part is known to be normal. Otherwise the cut is stricter.
    """
    excess = oddness(windows)
    return excess > max(CUT if vouched else CUT_UNGUARDED, float(np.quantile(excess, 1 - MAX_SUSPICIOUS)))


@torch.no_grad()
def oddness(windows: TrainingWindows) -> np.ndarray:
    """Return how far each window is from its three nearest neighbours, in robust deviations of log distance, [R].

    The distance is the Mahalanobis distance of the pooled difference to the neighbour. Its covariance comes from the
    four fifths of the windows with the smallest distances, so that anomalies do not widen what counts as normal. The
    three neighbours overlap neither the window nor each other, so an anomaly that occurs twice still has two distant
    neighbours.
    """
    logs = []
    for index in windows.distinct_neighbours(NEIGHBOURS):
        cells = _pooled(windows.windows - windows.windows[index])
        far = _mahalanobis(cells, cells)
        far = _mahalanobis(cells, cells[far <= far.quantile(TRUSTED)])
        logs.append((far + 1e-6 * far.median()).log())
    mean = torch.stack(logs).mean(0).cpu().double().numpy()
    return (mean - np.median(mean)) / robust_scale(mean, least=NEGLIGIBLE)


def _pooled(difference: torch.Tensor) -> torch.Tensor:
    """Average differences [B, C, L] over time into at most 48 bins a channel, [B, cells]."""
    channels, length = difference.shape[1:]
    return adaptive_avg_pool1d(difference, max(2, min(MAX_BINS, MAX_CELLS // channels, length))).flatten(1)


def _mahalanobis(x: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
    """Return the Mahalanobis distances of rows [N, D] to normal ones, [N], with shrunk correlations."""
    normal = normal.double()
    mean, scale = normal.mean(0), normal.std(0)
    scale = scale.clamp(min=1e-3 * float(scale.max()) + 1e-12)
    unit = (normal - mean) / scale
    correlation = (1 - SHRINKAGE) * unit.T @ unit / len(normal)
    correlation += SHRINKAGE * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    # x R^-1 x' = |x L^-T|^2 with R = L L'
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(correlation), ((x - mean) / scale).T, upper=False)
    return whitened.square().mean(0).add(1e-12).sqrt()


def context_bins(series: Series, windows: TrainingWindows) -> dict[str, np.ndarray]:
    """Return the bin, 0 to 3, of each window, int64 [R], by level, by activity, and by phase if there is a period.

    Level is the median of a window; activity is the median step between its samples. Both are standardised and
    averaged over channels, and their bins contain a quarter of the windows each.
    """
    samples, starts = windows.windows.cpu().numpy(), windows.starts.cpu().numpy()
    figures = {
        "level": np.median(samples, axis=2).mean(1),
        "activity": np.median(np.abs(np.diff(samples, axis=2)), axis=2).mean(1),
    }
    cuts = np.arange(1, BINS) / BINS
    bins = {name: np.searchsorted(np.quantile(x, cuts), x) for name, x in figures.items()}
    begin, end = longest(series.train_segments)
    if period := dominant_period(series.values[begin:end]):
        bins["phase"] = steps_at(starts, series.gaps) % period * BINS // period
    return bins


def describe_suspicious(series: Series, windows: TrainingWindows, suspicious: np.ndarray) -> dict[str, Any]:
    """Describe suspicious windows for the report: their stretches, and their share of each bin.

    Parameters
    ----------
    series : Series
    windows : TrainingWindows
        All windows of its training part.
    suspicious : ndarray, bool [R]
    """
    starts = windows.starts.cpu().numpy()
    shares = {
        name: [round(float(suspicious[which == k].mean()), 4) if (which == k).any() else 0.0 for k in range(BINS)]
        for name, which in context_bins(series, windows).items()
    }
    runs = stretches(starts[suspicious], windows.window)
    longest = sorted(runs, key=lambda run: run[0] - run[1])[:STRETCHES]
    return {"share_left_out": shares, "stretches": len(runs), "longest_stretches": sorted(longest)}


def stretches(starts: np.ndarray, window: int) -> list[list[int]]:
    """Return begin and end of the stretches covered by windows at increasing ``starts``, merged where they touch."""
    if len(starts) == 0:
        return []
    first = np.flatnonzero(np.diff(starts, prepend=starts[0] - window - 1) > window)
    last = np.append(first[1:], len(starts)) - 1
    return [[int(begin), int(end) + window] for begin, end in zip(starts[first], starts[last], strict=True)]
