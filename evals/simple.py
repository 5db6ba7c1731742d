"""What one would use instead of a trained network: distances, projections, trees, and one-liners.

Each takes a series, a window length and a seed, and gives a score for every point, float [T]; all but the matrix
profile and the one-liners know the training part alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from ape.posttrain.memory import reference_starts
from ape.series import Series
from ape.series.matrix_profile import matrix_profile
from ape.series.windows import overlap_mean, sliding, start_batches, streamed_overlap_mean

EXPLAINED = 0.95  # share of the variance that Sub-PCA keeps
CLUSTERS = 20  # of KMeansAD (TimeEval's default)
TREES = 100
CHUNK = 512  # windows at a time

Simple = Callable[[Series, int, int], np.ndarray]


def nearest_window(series: Series, window: int, seed: int) -> np.ndarray:
    """Distance to the nearest window of the training part that does not overlap."""
    windows, normal, first = _windows(series, window)
    memory = torch.from_numpy(normal)

    def scored(at: np.ndarray) -> np.ndarray:
        distance = torch.cdist(torch.from_numpy(_flat(windows[at])), memory)
        overlap = np.abs(at[:, None] - first) < window
        return distance.masked_fill(torch.from_numpy(overlap), torch.inf).min(1).values.numpy()

    return _over_points(scored, series.length, window)


def sub_pca(series: Series, window: int, seed: int) -> np.ndarray:
    """Distance to the subspace of the training windows (Sub-PCA, as in TSB-AD)."""
    windows, normal, _ = _windows(series, window)
    pca = PCA(EXPLAINED, random_state=seed).fit(normal)

    def scored(at: np.ndarray) -> np.ndarray:
        x = _flat(windows[at])
        return np.linalg.norm(x - pca.inverse_transform(pca.transform(x)), axis=1)

    return _over_points(scored, series.length, window)


def k_means(series: Series, window: int, seed: int) -> np.ndarray:
    """Distance to the nearest of 20 centres of the training windows (KMeansAD, Yairi et al. 2001)."""
    windows, normal, _ = _windows(series, window)
    centres = KMeans(min(CLUSTERS, len(normal)), n_init=3, random_state=seed).fit(normal)
    return _over_points(lambda at: centres.transform(_flat(windows[at])).min(axis=1), series.length, window)


def isolation_forest(series: Series, window: int, seed: int) -> np.ndarray:
    """How few cuts isolate a window (Liu, Ting and Zhou 2008)."""
    windows, normal, _ = _windows(series, window)
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(normal)
    return _over_points(lambda at: -forest.score_samples(_flat(windows[at])), series.length, window)


def discords(series: Series, window: int, seed: int) -> np.ndarray:
    """Matrix profile of the whole series, mean over channels, and over the subsequences that cover a point."""
    distances = np.mean([matrix_profile(channel, window).distance for channel in series.values.T], axis=0)
    return overlap_mean(np.repeat(distances[:, None], window, axis=1), np.arange(len(distances)), series.length)


def moving_z_score(series: Series, window: int, seed: int) -> np.ndarray:
    """How many standard deviations of the last two windows a point lies from their mean, largest over channels."""
    frame = pd.DataFrame(series.values.astype(np.float64))
    past = frame.rolling(2 * window, min_periods=window)
    floor = 1e-3 * frame.iloc[: len(series.train)].std() + 1e-12
    return ((frame - past.mean()).abs() / (past.std() + floor)).fillna(0.0).max(axis=1).to_numpy()


def difference(series: Series, window: int, seed: int) -> np.ndarray:
    """Absolute difference to the point before, in training deviations, largest over channels."""
    scale = series.train.std(axis=0) + 1e-12
    return np.abs(np.diff(series.values, axis=0, prepend=series.values[:1]) / scale).max(axis=1)


def random(series: Series, window: int, seed: int) -> np.ndarray:
    """Noise."""
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
    """All windows [N, C, L], standardised; up to 4000 of the training part as rows; and where these begin."""
    train = series.train
    values = (series.values - train.mean(axis=0)) / np.maximum(train.std(axis=0), 1e-12)
    windows = sliding(values.astype(np.float32), window)
    first = reference_starts(len(train), window)
    return windows, _flat(windows[first]), first


def _flat(windows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(windows).reshape(len(windows), -1)


def _over_points(scored: Callable[[np.ndarray], np.ndarray], length: int, window: int) -> np.ndarray:
    batches = (
        (at, np.repeat(np.asarray(scored(at), dtype=np.float64)[:, None], window, axis=1))
        for at in start_batches(length, window, size=CHUNK)
    )
    return streamed_overlap_mean(batches, length)
