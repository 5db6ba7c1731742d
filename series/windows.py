"""Cutting series into windows, and putting window scores back onto points."""

from __future__ import annotations

import numpy as np


def starts(length: int, window: int, stride: int = 1) -> np.ndarray:
    """Start positions of windows over ``length`` points; the last one is flush with the end.

    Returns
    -------
    ndarray, int64 [N]
    """
    last = length - window
    if last < 0:
        msg = f"window of {window} samples does not fit into {length} points"
        raise ValueError(msg)
    regular = np.arange(0, last + 1, stride, dtype=np.int64)
    return regular if regular[-1] == last else np.append(regular, last)


def sliding(values: np.ndarray, window: int, stride: int = 1) -> np.ndarray:
    """View of every ``stride``-th window.

    Parameters
    ----------
    values : ndarray [T, C]

    Returns
    -------
    ndarray [N, C, window]
        A read-only view, without a copy.
    """
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=0)[::stride]


def overlap_mean(window_values: np.ndarray, window_starts: np.ndarray, length: int) -> np.ndarray:
    """Mean, at each point, over all windows that cover it.

    Parameters
    ----------
    window_values : ndarray [N, L]
        One value a point of each window.
    window_starts : ndarray, int64 [N]
    length : int
        Points in the series, T.

    Returns
    -------
    ndarray, float32 [T]
        Points that no window covers take the value of the nearest covered one.
    """
    window = window_values.shape[1]
    positions = (window_starts[:, None] + np.arange(window)).ravel()
    total = np.bincount(positions, weights=window_values.astype(np.float64).ravel(), minlength=length)
    count = np.bincount(positions, minlength=length)
    covered = np.flatnonzero(count)
    mean = total[covered] / count[covered]
    return np.interp(np.arange(length), covered, mean).astype(np.float32)
