"""The normal-candidate filter: which training windows are unlike all others, and where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ape.posttrain.memory import Memory
from ape.posttrain.parts import pool_residual
from ape.posttrain.representation import Mahalanobis
from ape.series.numerics import dominant_period, robust_scale

CUT = 6.0  # robust deviations beyond which a window is suspicious
CUT_UNGUARDED = 4.5  # the same where nobody vouches for the training part
MAX_SUSPICIOUS = 0.2  # never leave out more than this share
NEIGHBOURS = 3
TRUSTED = 0.8  # share of windows that the scales of residuals are taken from
BINS = 4  # of the cycle, of the level and of the activity
STRETCHES = 8  # told of at most

Suspect = Callable[[Memory, bool], np.ndarray]


def unlike_others(memory: Memory, vouched: bool) -> np.ndarray:
    """Which windows are suspicious, bool [R]: those far from all others, never more than a fifth.

    Parameters
    ----------
    memory : Memory
        All training windows.
    vouched : bool
        Whether someone says that the training part is normal; the cut is stricter otherwise.
    """
    excess = oddness(memory)
    return excess > max(CUT if vouched else CUT_UNGUARDED, float(np.quantile(excess, 1 - MAX_SUSPICIOUS)))


@torch.no_grad()
def oddness(memory: Memory) -> np.ndarray:
    """How far each window is from the three nearest stretches, in robust deviations of the log distance, float64 [R].

    The distance is Mahalanobis' of the pooled residual to the neighbour, under the residuals of the most ordinary four
    fifths of the windows, so that anomalies do not widen what counts as normal. The three neighbours overlap neither
    the window nor each other: an anomaly that happens twice still has two strange ones.
    """
    logs = []
    for index in memory.distinct_neighbours(NEIGHBOURS):
        cells = pool_residual(memory.windows - memory.windows[index])
        distance = Mahalanobis(cells.shape[1]).to(cells.device)
        distance.fit(cells)
        far = distance(cells)
        distance.fit(cells[far <= far.quantile(TRUSTED)])
        far = distance(cells)
        logs.append((far + 1e-6 * far.median()).log())
    mean = torch.stack(logs).mean(0).cpu().double().numpy()
    return (mean - np.median(mean)) / robust_scale(mean)


def context_bins(values: np.ndarray, memory: Memory) -> dict[str, np.ndarray]:
    """Bin from 0 to 3 of each window, int64 [R], by level, by activity, and by phase of its start where things recur.

    Level is a window's median, activity the median step between its samples, standardised, means over channels; a
    quarter of the windows is in each of their bins.
    """
    windows, starts = memory.windows.cpu().numpy(), memory.starts.cpu().numpy()
    figures = {
        "level": np.median(windows, axis=2).mean(1),
        "activity": np.median(np.abs(np.diff(windows, axis=2)), axis=2).mean(1),
    }
    cuts = np.arange(1, BINS) / BINS
    bins = {name: np.searchsorted(np.quantile(x, cuts), x) for name, x in figures.items()}
    if period := dominant_period(values):
        bins["phase"] = starts % period * BINS // period
    return bins


def left_out(values: np.ndarray, memory: Memory, suspicious: np.ndarray) -> dict[str, Any]:
    """What the report tells of suspicious windows: where they lie, and the share of each bin that they are.

    Parameters
    ----------
    values : ndarray [n, C]
        Training part.
    memory : Memory
        All windows of it.
    suspicious : ndarray, bool [R]
    """
    starts = memory.starts.cpu().numpy()
    shares = {
        name: [round(float(suspicious[which == k].mean()), 4) if (which == k).any() else 0.0 for k in range(BINS)]
        for name, which in context_bins(values, memory).items()
    }
    runs = stretches(starts[suspicious], memory.window)
    longest = sorted(runs, key=lambda run: run[0] - run[1])[:STRETCHES]
    return {"share_left_out": shares, "stretches": len(runs), "longest_stretches": sorted(longest)}


def stretches(starts: np.ndarray, window: int) -> list[list[int]]:
    """Begin and end of the stretches that windows at rising ``starts`` cover, those that touch taken together."""
    if len(starts) == 0:
        return []
    first = np.flatnonzero(np.diff(starts, prepend=starts[0] - window - 1) > window)
    last = np.append(first[1:], len(starts)) - 1
    return [[int(begin), int(end) + window] for begin, end in zip(starts[first], starts[last], strict=True)]
