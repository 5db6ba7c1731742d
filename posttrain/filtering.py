"""The normal-candidate filter: find training windows that are unlike all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ape.posttrain.parts import pool_residual
from ape.posttrain.reference_windows import ReferenceWindows
from ape.posttrain.representation import Mahalanobis
from ape.series import Series
from ape.series.numerics import NEGLIGIBLE, dominant_period, robust_scale
from ape.series.windows import longest, steps_at

CUT = 6.0  # robust deviations beyond which a window is suspicious
CUT_UNGUARDED = 4.5  # the same if the training part is not known to be normal
MAX_SUSPICIOUS = 0.2  # largest share of windows that are removed
NEIGHBOURS = 3
TRUSTED = 0.8  # share of windows that set the scales of residuals
BINS = 4  # of the cycle, of the level and of the activity
STRETCHES = 8  # most in the report

Suspect = Callable[[ReferenceWindows, bool], np.ndarray]


def unlike_others(reference_windows: ReferenceWindows, vouched: bool) -> np.ndarray:
    """Return which windows are suspicious, bool [R]: those far from all others, at most a fifth.

    Parameters
    ----------
    reference_windows : ReferenceWindows
        All training windows.
    vouched : bool
        Whether the training part is known to be normal. Otherwise the cut is stricter.
    """
    excess = oddness(reference_windows)
    return excess > max(CUT if vouched else CUT_UNGUARDED, float(np.quantile(excess, 1 - MAX_SUSPICIOUS)))


@torch.no_grad()
def oddness(reference_windows: ReferenceWindows) -> np.ndarray:
    """Return how far each window is from its three nearest neighbours, in robust deviations of log distance, [R].

    The distance is the Mahalanobis distance of the pooled difference to the neighbour. Its covariance comes from the
    four fifths of the windows with the smallest distances, so that anomalies do not widen what counts as normal. The
    three neighbours overlap neither the window nor each other, so an anomaly that occurs twice still has two distant
    neighbours.
    """
    logs = []
    for index in reference_windows.distinct_neighbours(NEIGHBOURS):
        cells = pool_residual(reference_windows.windows - reference_windows.windows[index])
        distance = Mahalanobis(cells.shape[1]).to(cells.device)
        distance.fit(cells)
        far = distance(cells)
        distance.fit(cells[far <= far.quantile(TRUSTED)])
        far = distance(cells)
        logs.append((far + 1e-6 * far.median()).log())
    mean = torch.stack(logs).mean(0).cpu().double().numpy()
    return (mean - np.median(mean)) / robust_scale(mean, least=NEGLIGIBLE)


def context_bins(series: Series, reference_windows: ReferenceWindows) -> dict[str, np.ndarray]:
    """Return the bin, 0 to 3, of each window, int64 [R], by level, by activity, and by phase if there is a period.

    Level is the median of a window; activity is the median step between its samples. Both are standardised and
    averaged over channels, and their bins contain a quarter of the windows each.
    """
    windows, starts = reference_windows.windows.cpu().numpy(), reference_windows.starts.cpu().numpy()
    figures = {
        "level": np.median(windows, axis=2).mean(1),
        "activity": np.median(np.abs(np.diff(windows, axis=2)), axis=2).mean(1),
    }
    cuts = np.arange(1, BINS) / BINS
    bins = {name: np.searchsorted(np.quantile(x, cuts), x) for name, x in figures.items()}
    begin, end = longest(series.train_segments)
    if period := dominant_period(series.values[begin:end]):
        bins["phase"] = steps_at(starts, series.gaps) % period * BINS // period
    return bins


def describe_suspicious(series: Series, reference_windows: ReferenceWindows, suspicious: np.ndarray) -> dict[str, Any]:
    """Describe suspicious windows for the report: their stretches, and their share of each bin.

    Parameters
    ----------
    series : Series
    reference_windows : ReferenceWindows
        All windows of its training part.
    suspicious : ndarray, bool [R]
    """
    starts = reference_windows.starts.cpu().numpy()
    shares = {
        name: [round(float(suspicious[which == k].mean()), 4) if (which == k).any() else 0.0 for k in range(BINS)]
        for name, which in context_bins(series, reference_windows).items()
    }
    runs = stretches(starts[suspicious], reference_windows.window)
    longest = sorted(runs, key=lambda run: run[0] - run[1])[:STRETCHES]
    return {"share_left_out": shares, "stretches": len(runs), "longest_stretches": sorted(longest)}


def stretches(starts: np.ndarray, window: int) -> list[list[int]]:
    """Return begin and end of the stretches covered by windows at increasing ``starts``, merged where they touch."""
    if len(starts) == 0:
        return []
    first = np.flatnonzero(np.diff(starts, prepend=starts[0] - window - 1) > window)
    last = np.append(first[1:], len(starts)) - 1
    return [[int(begin), int(end) + window] for begin, end in zip(starts[first], starts[last], strict=True)]
