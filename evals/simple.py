"""Scores without a trained network: distances, projections, trees and one-line formulas.

Each function takes a series, a window length and a seed, and returns a score for every point, float [T]. Matrix
profiles and the moving z-score use the whole series; all others are fitted to the training part.
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
    usable,
)

EXPLAINED = 0.95  # share of the variance in Sub-PCA's subspace
CLUSTERS = 20  # in KMeansAD (TimeEval's default)
TREES = 100
MOST_NORMAL = 4000  # training windows; a regular subset if there are more; of k-Shape, the last ones
LENGTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # of matrix profiles, of which one is chosen
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


def k_shape(series: Series, window: int, seed: int) -> np.ndarray:
    """Return PyOD's distance to the nearest centre of k-Shape (Paparrizos and Gravano 2015), largest over channels."""
    from pyod.models.ts_kshape import KShape

    values = _standardised(series)
    last = joined(values, series.train_segments)[-(MOST_NORMAL + window - 1) :]
    model = KShape(window_size=window, random_state=seed).fit(last)
    score = np.full(series.length, np.nan)
    for begin, end in usable(series.segments, window):
        score[begin:end] = model.decision_function(values[begin:end])
    return score


def discords(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the matrix profile of the whole series, mean over channels and over the windows that cover a point."""
    return _profile_over_points(series, window, *_profiles(series, window))


def discords_of_best_length(series: Series, window: int, seed: int) -> np.ndarray:
    """Return the matrix profile of the length whose highest peak exceeds its second one the most.

    Peaks are those after the training part; the second one does not overlap the first. Lengths that do not fit twice
    into a stretch of the training part are left out. As any choice that compares peaks, it needs the whole series.
    """
    longest = max(end - begin for begin, end in series.train_segments)
    lengths = sorted({window, *(length for length in LENGTHS if 2 * length <= longest)})
    profiles = {length: _profiles(series, length) for length in lengths}
    best = max(lengths, key=lambda length: _peak_ratio(*profiles[length], length, series.train_end or 0))
    return _profile_over_points(series, best, *profiles[best])


def _peak_ratio(at: np.ndarray, distances: np.ndarray, window: int, first: int) -> float:
    """Return the highest distance of windows from ``first`` on, as a multiple of the highest one that is apart."""
    at, distances = at[at >= first], distances[at >= first]
    if len(at) == 0:
        return 0.0
    second = distances[np.abs(at - at[distances.argmax()]) >= window].max(initial=0.0)
    return float(distances.max() / second) if second > 0 else 0.0


def _profiles(series: Series, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts of all windows, and their matrix profile, mean over channels."""
    at = starts(series.segments, window)
    profiles = [matrix_profile(channel, window, series.segments).distance[at] for channel in series.values.T]
    return at, np.mean(profiles, axis=0)


def _profile_over_points(series: Series, window: int, at: np.ndarray, distances: np.ndarray) -> np.ndarray:
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
    "matrix profile, best length": discords_of_best_length,
    "Sub-PCA": sub_pca,
    "KMeansAD": k_means,
    "KShapeAD": k_shape,
    "isolation forest": isolation_forest,
    "moving z-score": moving_z_score,
    "|difference|": difference,
    "random": random,
}


def _windows(series: Series, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all windows [N, C, L], standardised; training windows as rows; and the starts of these."""
    windows = sliding(_standardised(series).astype(np.float32), window)
    at = spaced_starts(series.train_segments, window, MOST_NORMAL)
    return windows, _flat(windows[at]), at


def _standardised(series: Series) -> np.ndarray:
    """Return the values [T, C] in standard deviations of the training part from its mean, float64."""
    train = joined(series.values, series.train_segments).astype(np.float64)
    return (series.values - train.mean(axis=0)) / channel_scale(train, NEGLIGIBLE)


def _flat(windows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(windows).reshape(len(windows), -1)


def _over_points(score_windows: Callable[[np.ndarray], np.ndarray], series: Series, window: int) -> np.ndarray:
    """Return the mean score, at each point, of the windows that cover it; ``score_windows`` takes window starts."""
    batches = (
        (at, np.repeat(np.asarray(score_windows(at), dtype=np.float64)[:, None], window, axis=1))
        for at in start_batches(series.segments, window, size=CHUNK)
    )
    return streamed_overlap_mean(batches, series.length)
