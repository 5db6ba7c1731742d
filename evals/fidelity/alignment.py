"""Compare windows with pseudo-anomalies with windows with true anomalies, by their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from ape.evals.timeanomalybench import Instance
from ape.rules import Context, RuleBank
from ape.series.numerics import auc

MAX_WINDOWS = 200  # of each kind
NEIGHBOURS = 5
FOLDS = 4


@dataclass(frozen=True)
class Windows:
    """Windows of simulated series with one fault.

    Parameters
    ----------
    true, normal, other_normal : ndarray [N, C, F]
        Features of windows with true anomalies, of normal training windows, and of normal test windows.
    hosts : Tensor [N, C, L]
        Normal training windows to generate pseudo-anomalies in.
    starts : Tensor [N]
        Positions of the hosts in the series.
    """

    true: np.ndarray
    normal: np.ndarray
    other_normal: np.ndarray
    hosts: torch.Tensor
    starts: torch.Tensor


def alignment(bank: RuleBank | None, windows: Windows, context: Context, seed: int) -> dict[str, float]:
    """Return how close pseudo-anomalous windows are to true ones. Without a bank, use normal windows instead.

    Returns
    -------
    dict
        ``c2st``: AUC of a classifier between the two kinds (Lopez-Paz and Oquab 2017); 0.5 is best. ``mmd``: maximum
        mean discrepancy with a Gaussian kernel at the median distance (Gretton et al. 2012). ``density``, ``coverage``:
        with 5 neighbours (Naeem et al. 2020), true windows being the real ones.
    """
    if bank is None or not bank.rules:
        generated = windows.other_normal
    else:
        generator = torch.Generator().manual_seed(seed)
        pseudo = bank.sample(windows.hosts, generator, windows.starts).pseudo.numpy()
        generated = window_features(pseudo, context)
    both = np.concatenate([_deviations(part, windows.normal) for part in (windows.true, generated)])
    squared, count = _squared_distances(both), len(windows.true)
    return {"c2st": _c2st(squared, count), "mmd": _mmd(squared, count), **_density_coverage(squared, count)}


def windows_of(instances: Sequence[Instance], context: Context, seed: int) -> Windows:
    """Cut windows of two cycles from simulated series with the same fault.

    A true window contains at least half of an event, or is at least half anomalous. Hosts and normal windows are from
    the training and test part of the first series.
    """
    width = int(np.clip(2 * context.cycle, 32, 256))
    rng = np.random.default_rng([seed, 6])

    def cut(values: np.ndarray, positions: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.sort(rng.choice(positions, min(most, len(positions)), replace=False))
        return np.stack([values[at : at + width].T for at in chosen]), chosen

    true = []
    for instance in instances:
        anomalous = sliding_window_view(instance.labels, width).sum(axis=1)
        sizes = [max(1, instance.labels[event.onset : event.recovery].sum()) for event in instance.events]
        positions = np.flatnonzero(anomalous >= 0.5 * min(width, *sizes))
        if len(positions):
            true.append(cut(instance.values, positions, MAX_WINDOWS // len(instances))[0])
    first = instances[0]
    free = np.flatnonzero(sliding_window_view(~first.labels, width).all(axis=1))
    early, late = free[free + width <= first.train_end], free[free >= first.train_end]
    hosts, starts = cut(first.twin, early, MAX_WINDOWS)
    return Windows(
        true=window_features(np.concatenate(true), context),
        normal=window_features(cut(first.twin, early, MAX_WINDOWS)[0], context),
        other_normal=window_features(cut(first.twin, late, MAX_WINDOWS)[0], context),
        hosts=torch.from_numpy(hosts),
        starts=torch.from_numpy(starts),
    )


def window_features(windows: np.ndarray, context: Context) -> np.ndarray:
    """Return level, spread, extremes, roughness and band powers of each channel in its robust sd, [N, C, F]."""
    scale = np.array([channel.scale for channel in context.channels])[None, :, None]
    x = windows.astype(np.float64) / scale
    step = np.diff(x, axis=2)
    power = np.abs(np.fft.rfft(x - x.mean(axis=2, keepdims=True), axis=2))[:, :, 1:]
    bands = [np.log(part.sum(axis=2) + 1e-3) for part in np.array_split(power, 6, axis=2)]
    columns = [x.mean(2), x.std(2), x.min(2), x.max(2), np.abs(step).mean(2), np.abs(step).max(2), *bands]
    return np.stack(columns, axis=2)


def _deviations(features: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the distance of each feature from normal windows: mean and maximum over channels, [N, 2 F]."""
    size = np.log1p(np.abs((features - normal.mean(axis=0)) / (normal.std(axis=0) + 1e-6)))
    return np.concatenate([size.mean(axis=1), size.max(axis=1)], axis=1)


def _squared_distances(x: np.ndarray) -> np.ndarray:
    square = (x**2).sum(axis=1)
    return np.maximum(square[:, None] + square - 2 * x @ x.T, 0.0)


# In the following, ``squared`` [N, N] are squared distances. The first ``true`` rows are true windows, the others
# pseudo-anomalous.


def _c2st(squared: np.ndarray, true: int) -> float:
    """Return the cross-validated AUC of the share of pseudo-anomalous windows among a window's neighbours."""
    counts = (true, len(squared) - true)
    y = np.repeat([0, 1], counts)
    fold = np.concatenate([np.arange(count) * FOLDS // count for count in counts])
    scores = np.zeros(len(y))
    for k in range(FOLDS):
        test, train = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        near = train[np.argsort(squared[np.ix_(test, train)], axis=1)[:, : 3 * NEIGHBOURS]]
        scores[test] = y[near].mean(axis=1)
    return auc(scores[y == 0], scores[y == 1])


def _mmd(squared: np.ndarray, true: int) -> float:
    kernel = np.exp(-squared / (np.median(squared[squared > 0]) + 1e-12))
    value = kernel[:true, :true].mean() + kernel[true:, true:].mean() - 2 * kernel[:true, true:].mean()
    return float(np.sqrt(max(value, 0.0)))


def _density_coverage(squared: np.ndarray, true: int) -> dict[str, float]:
    k = min(NEIGHBOURS, true - 1)
    radius = np.sort(squared[:true, :true], axis=1)[:, k]  # column 0 is the window itself
    inside = squared[:true, true:] <= radius[:, None]
    return {"density": float(inside.sum() / (k * inside.shape[1])), "coverage": float(inside.any(axis=1).mean())}
