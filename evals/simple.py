"""Scores without a trained network: distances, projections, trees and one-line formulas.

Each function takes a series, a window length and a seed, and returns a score for every point, float [T]. The matrix
profile and the moving z-score use the whole series; all others are fitted to the training part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from ape.series import Series
from ape.series.matrix_profile import matrix_profile
from ape.series.numerics import NEGLIGIBLE, channel_scale
from ape.series.windows import (
    joined,
    overlap_mean,
    sliding,
    spaced_starts,
    start_batches,
    starts,
    streamed_overlap_mean,
)

EXPLAINED = 0.95  # share of the variance in Sub-PCA's subspace
CLUSTERS = 20  # in KMeansAD (TimeEval's default)
TREES = 100
MOST_NORMAL = 4000  # training windows; a regular subset if there are more
CHUNK = 512  # windows scored at once

Simple = Callable[[Series, int, int], np.ndarray]


def nearest_window(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the distance to the nearest training window that does not overlap."""
    windows, normal, normal_starts = _windows(series, window)
    memory = torch.from_numpy(normal)

    def score_windows(at: np.ndarray) -> np.ndarray:
        distance = torch.cdist(torch.from_numpy(_flat(windows[at])), memory)
        overlap = np.abs(at[:, None] - normal_starts) < window
        return distance.masked_fill(torch.from_numpy(overlap), torch.inf).min(1).values.numpy()

    return _over_points(score_windows, series, window)


def sub_pca(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the distance to the subspace of the training windows (Sub-PCA, as in TSB-AD)."""
    windows, normal, _ = _windows(series, window)
    pca = PCA(EXPLAINED, random_state=seed).fit(normal)

    def score_windows(at: np.ndarray) -> np.ndarray:
        x = _flat(windows[at])
        return np.linalg.norm(x - pca.inverse_transform(pca.transform(x)), axis=1)

    return _over_points(score_windows, series, window)


def k_means(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the distance to the nearest of 20 centres of the training windows (KMeansAD, Yairi et al. 2001)."""
    windows, normal, _ = _windows(series, window)
    centres = KMeans(min(CLUSTERS, len(normal)), n_init=3, random_state=seed).fit(normal)
    return _over_points(lambda at: centres.transform(_flat(windows[at])).min(axis=1), series, window)


def isolation_forest(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the score of an isolation forest of the training windows (Liu, Ting and Zhou 2008)."""
    windows, normal, _ = _windows(series, window)
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(normal)
    return _over_points(lambda at: -forest.score_samples(_flat(windows[at])), series, window)


def discords(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the matrix profile of the whole series, mean over channels and over the windows that cover a point."""
    at = starts(series.segments, window)
    distances = np.mean(
        [matrix_profile(channel, window, series.segments).distance[at] for channel in series.values.T], axis=0
    )
    return overlap_mean(np.repeat(distances[:, None], window, axis=1), at, series.length)


def moving_z_score(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the z-score of a point with respect to the last two window lengths, largest over channels."""
    frame = pd.DataFrame(series.values.astype(np.float64))
    floor = 1e-3 * channel_scale(joined(series.values, series.train_segments), NEGLIGIBLE)

    def scores(part: pd.DataFrame) -> np.ndarray:
        past = part.rolling(2 * window, min_periods=window)
        return ((part - past.mean()).abs() / (past.std() + floor)).fillna(0.0).max(axis=1).to_numpy()

    return np.concatenate([scores(frame.iloc[begin:end]) for begin, end in series.segments])


def difference(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the absolute difference to the previous point in training sd, largest over channels."""
    scale = channel_scale(joined(series.values, series.train_segments), NEGLIGIBLE)
    steps = np.diff(series.values, axis=0, prepend=series.values[:1])
    steps[[begin for begin, _ in series.segments]] = 0
    return np.abs(steps / scale).max(axis=1)


def random(series: Series, window: int, seed: int) -> np.ndarray:
    """Return random numbers."""
    return np.random.default_rng([seed, 3]).random(series.length)


SIMPLE: dict[str, Simple] = {
    "1-NN": nearest_window,
    "matrix profile": discords,
    "Sub-PCA": sub_pca,
    "KMeansAD": k_means,
    "isolation forest": isolation_forest,
    "moving z-score": moving_z_score,
    "|difference|": difference,
    "random": random,
}


def _windows(series: Series, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all windows [N, C, L], standardised; training windows as rows; and the starts of these."""
    train = joined(series.values, series.train_segments).astype(np.float64)
    values = (series.values - train.mean(axis=0)) / channel_scale(train, NEGLIGIBLE)
    windows = sliding(values.astype(np.float32), window)
    at = spaced_starts(series.train_segments, window, MOST_NORMAL)
    return windows, _flat(windows[at]), at


def _flat(windows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(windows).reshape(len(windows), -1)


def _over_points(score_windows: Callable[[np.ndarray], np.ndarray], series: Series, window: int) -> np.ndarray:
    """Return the mean score, at each point, of the windows that cover it; ``score_windows`` takes window starts."""
    batches = (
        (at, np.repeat(np.asarray(score_windows(at), dtype=np.float64)[:, None], window, axis=1))
        for at in start_batches(series.segments, window, size=CHUNK)
    )
    return streamed_overlap_mean(batches, series.length)
