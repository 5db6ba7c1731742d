"""Difficulty of a series: how well simple detectors find its anomalies."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.ensemble import IsolationForest

from ape.evals.metrics import average_precision
from ape.evals.timeanomalybench.injection import Instance

EASY, MEDIUM = 0.6, 0.25  # lowest average precision of the best of three detectors for each level
WIDTH = 50  # samples per window if the scenario has no cycle
STRIDE = 2  # of the windows that the matrix profile compares; a finer one hardly changes the result
BLOCK = 1024  # windows compared at once


def difficulty(instance: Instance) -> dict[str, float | str]:
    """Return the average precision of three simple detectors on the test part, and ``level``: easy, medium or hard."""
    train, test = instance.values[: instance.train_end], instance.values[instance.train_end :]
    labels = instance.labels[instance.train_end :]
    width = int(np.clip(instance.scenario.cycle or WIDTH, 16, 100))
    if not labels.any():
        return {"level": "hard"}
    precision: dict[str, float | str] = {
        "moving_z_score": average_precision(labels, moving_z_score(instance.values, width)[instance.train_end :]),
        "isolation_forest": average_precision(labels, isolation_forest(train, test, width)),
        "matrix_profile": average_precision(labels, nearest_window(train, test, width)),
    }
    best = max(float(value) for value in precision.values())
    return {**precision, "level": "easy" if best >= EASY else "medium" if best >= MEDIUM else "hard"}


def moving_z_score(values: np.ndarray, width: int) -> np.ndarray:
    """Return the largest absolute z-score over channels, relative to the last ``4 width`` samples, [T]."""
    mean, std = _trailing(values, 4 * width)
    return (np.abs(values - mean) / std).max(axis=1)


def isolation_forest(train: np.ndarray, test: np.ndarray, width: int) -> np.ndarray:
    """Score with an isolation forest (Liu, Ting and Zhou 2008) on values, trailing means and standard deviations."""
    model = IsolationForest(n_estimators=50, random_state=0)
    model.fit(np.concatenate([train, *_trailing(train, width)], axis=1))
    return -model.score_samples(np.concatenate([test, *_trailing(test, width)], axis=1))


def nearest_window(train: np.ndarray, test: np.ndarray, width: int) -> np.ndarray:
    """Return the z-normalised matrix profile of the test part against the training part, [T].

    It is summed over channels and averaged over the windows that cover a point. Every second window is compared.
    """
    total = np.zeros(len(test))
    for channel in range(test.shape[1]):
        normal, windows = (_normalised(part[:, channel], width) for part in (train, test))
        blocks = np.array_split(windows, len(windows) // BLOCK + 1)
        closest = np.concatenate([(block @ normal.T).max(axis=1) for block in blocks])
        distance = np.sqrt(np.maximum(2 * width - 2 * closest, 0.0))
        starts = np.repeat(distance, STRIDE)[: len(test) - width + 1]
        total += np.convolve(starts, np.ones(width)) / np.convolve(np.ones(len(starts)), np.ones(width))
    return total


def _normalised(values: np.ndarray, width: int) -> np.ndarray:
    windows = sliding_window_view(values.astype(np.float32), width)[::STRIDE]
    centred = windows - windows.mean(axis=1, keepdims=True)
    return centred / (centred.std(axis=1, keepdims=True) + 1e-6)


def _trailing(values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the last ``width`` samples up to each point, [T, C] each."""
    padded = np.pad(values.astype(np.float64), ((width, 0), (0, 0)), mode="edge")
    total, square = padded.cumsum(axis=0), (padded**2).cumsum(axis=0)
    mean = (total[width:] - total[:-width]) / width
    variance = (square[width:] - square[:-width]) / width - mean**2
    floor = 1e-3 * values.std(axis=0) + 1e-12
    return mean, np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor)
