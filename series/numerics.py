"""Plain numerics that several rooms need: scale, period, residual, regimes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import fft, ndimage, signal

MAX_PERIOD_SHARE = 1 / 3  # a period must recur three times to count


def robust_scale(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Robust standard deviation, 1.4826 times the median absolute deviation.

    Floored at a thousandth of the range, then at 1e-8, so that nothing is divided by zero.
    """
    values = np.asarray(values, dtype=np.float64)
    centre = np.median(values, axis=axis, keepdims=True)
    scale = 1.4826 * np.median(np.abs(values - centre), axis=axis)
    return np.maximum(np.maximum(scale, 1e-3 * np.ptp(values, axis=axis)), 1e-8)


def acf(values: np.ndarray, n_lags: int) -> np.ndarray:
    """Autocorrelation at lags 0 to ``n_lags``, by FFT, corrected for the shrinking overlap.

    Parameters
    ----------
    values : ndarray [T]

    Returns
    -------
    ndarray, float64 [n_lags + 1]
    """
    x = np.asarray(values, dtype=np.float64)
    x = x - x.mean()
    n = len(x)
    n_lags = min(n_lags, n - 1)
    size = fft.next_fast_len(2 * n, real=True)
    spectrum = fft.rfft(x, size)
    raw = fft.irfft(spectrum * np.conj(spectrum), size)[: n_lags + 1]
    raw = raw / (n - np.arange(n_lags + 1))
    return raw / max(raw[0], 1e-12)


def dominant_period(values: np.ndarray, floor: float = 0.2) -> int | None:
    """Dominant period: the first prominent peak of the channel-averaged autocorrelation.

    The series is detrended by a straight line first. Among local maxima that reach at least 90 % of the highest one,
    the shortest lag wins, so that a multiple of the period is not taken for it.

    Parameters
    ----------
    values : ndarray [T] or [T, C]
    floor : float
        Autocorrelation below which nothing counts as periodic.

    Returns
    -------
    int or None
        In samples; ``None`` where nothing recurs.
    """
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    n_lags = int(len(columns) * MAX_PERIOD_SHARE)
    if n_lags < 4:
        return None
    columns = signal.detrend(columns, axis=0)
    moving = columns[:, columns.std(axis=0) > 1e-12]
    if moving.shape[1] == 0:
        return None
    mean = np.mean([acf(column, n_lags) for column in moving.T], axis=0)
    peaks, _ = signal.find_peaks(mean[2:], prominence=0.1)
    peaks = peaks + 2
    peaks = peaks[mean[peaks] >= floor]
    if len(peaks) == 0:
        return None
    return int(peaks[mean[peaks] >= 0.9 * mean[peaks].max()][0])


def local_residual(values: np.ndarray, period: int | None) -> np.ndarray:
    """What a running median of a quarter period (at least 5 samples) leaves, [T, C]: the fine, fast part."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    width = max(5, (period or 40) // 4) | 1
    return columns - ndimage.median_filter(columns, size=(width, 1), mode="nearest")


def rolling_std(values: np.ndarray, width: int) -> np.ndarray:
    """Centred rolling standard deviation over ``width`` samples, [T, C]: the local activity."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    columns = columns - columns.mean(axis=0)
    mean = ndimage.uniform_filter1d(columns, width, axis=0, mode="nearest")
    square = ndimage.uniform_filter1d(columns**2, width, axis=0, mode="nearest")
    return np.sqrt(np.maximum(square - mean**2, 0.0))


def auc(negative: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive value is higher than a negative one, ties counting half."""
    ordered = np.sort(negative)
    ranks = np.searchsorted(ordered, positive, side="left") + np.searchsorted(ordered, positive, side="right")
    return float(ranks.mean() / (2 * len(ordered)))


def separated_minima(cost: np.ndarray, width: int, beside: Callable[[int], int] | None = None) -> Iterator[int]:
    """Positions of lowest finite ``cost`` [n], best first, each ``width`` or more from those before.

    With ``beside``, also from the position that it names for each of those.
    """
    left = cost.copy()
    while np.isfinite(left.min()):
        best = int(left.argmin())
        yield best
        for place in (best,) if beside is None else (best, beside(best)):
            left[max(0, place - width + 1) : max(0, place + width)] = np.inf
