"""Numerics shared by several packages: scales, autocorrelation, period, residual, AUC.

No function has a threshold in data units: multiplying the values by a constant changes nothing but the unit of results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import fft, ndimage

MAX_PERIOD_SHARE = 1 / 3  # of the series: a period must occur at least three times
MIN_AUTOCORRELATION = 0.2  # at the period; below it the series counts as aperiodic
MAD_TO_SD = 1.4826  # standard deviation of a normal distribution, in median absolute deviations
NEGLIGIBLE = 1e-8  # share of a scale: smaller spreads count as none
ROUNDING = 1e-14  # share of the largest value: smaller spreads are rounding in float64


def power_of_two(scale: np.ndarray) -> np.ndarray:
    """Return the power of two next to each scale above zero."""
    return np.exp2(np.round(np.log2(scale)))


def unit_of(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the power of two next to the standard deviation; 1 if that is zero.

    Dividing by it brings values close to unit scale and does not round. It is for code with thresholds of its own.
    """
    spread = np.nanstd(np.asarray(values, dtype=np.float64), axis=axis)
    return power_of_two(np.where(spread > 0, spread, 1.0))


def channel_scale(values: np.ndarray, share: float) -> np.ndarray:
    """Return the standard deviation of each channel of ``values`` [n, C], [C].

    A constant channel gets ``share`` times the median over channels, or 1 if all are constant. Others have no floor.
    """
    values = np.asarray(values, dtype=np.float64)
    spread = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 0.0)
    varying = spread[spread > 0]
    if len(varying) == 0:
        return np.ones_like(spread)
    return np.where(spread > 0, spread, share * (np.median(spread) or np.median(varying)))


def robust_scale(values: np.ndarray, axis: int = 0, least: float = 0.0) -> np.ndarray:
    """Return the robust standard deviation: 1.4826 times the median absolute deviation.

    The result is at least a thousandth of the range, and at least ``least``. Without it, constant values have scale 0.
    """
    values = np.asarray(values, dtype=np.float64)
    centre = np.median(values, axis=axis, keepdims=True)
    scale = MAD_TO_SD * np.median(np.abs(values - centre), axis=axis)
    return np.maximum(np.maximum(scale, 1e-3 * np.ptp(values, axis=axis)), least)


def acf(values: np.ndarray, n_lags: int, least: float = 0.0) -> np.ndarray:
    """Return the autocorrelation at lags 0 to ``n_lags``, computed by FFT and corrected for the shrinking overlap.

    Parameters
    ----------
    values : ndarray [T]
    n_lags : int
        Limited to T - 1.
    least : float
        Standard deviations below it count as this one, so that rounding is not taken for a correlation.

    Returns
    -------
    ndarray, float64 [n_lags + 1]
    """
    x = np.asarray(values, dtype=np.float64)
    least = max(least, ROUNDING * float(np.abs(x).max()))
    x = x - x.mean()
    n = len(x)
    n_lags = min(n_lags, n - 1)
    size = fft.next_fast_len(2 * n, real=True)
    spectrum = fft.rfft(x, size)
    raw = fft.irfft(spectrum * np.conj(spectrum), size)[: n_lags + 1]
    raw = raw / (n - np.arange(n_lags + 1))
    return raw / (max(raw[0], least**2) or 1.0)


def dominant_period(values: np.ndarray) -> int | None:
    """Return the dominant period: the first prominent peak of the channel-averaged autocorrelation.

    A linear trend is removed first. Among the local maxima that reach at least 90 % of the highest one, the shortest
    lag is chosen, so that a multiple of the period is not returned.

    Parameters
    ----------
    values : ndarray [T] or [T, C]

    Returns
    -------
    int or None
        In samples; None if the series is not periodic.
    """
    from scipy import signal  # it imports for half a second, and not every series has its period estimated

    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    n_lags = int(len(columns) * MAX_PERIOD_SHARE)
    if n_lags < 4:
        return None
    rounding = ROUNDING * np.abs(columns).max(axis=0)
    columns = signal.detrend(columns, axis=0)
    varying = columns[:, columns.std(axis=0) > rounding]
    if varying.shape[1] == 0:
        return None
    mean = np.mean([acf(column, n_lags) for column in varying.T], axis=0)
    peaks, _ = signal.find_peaks(mean[2:], prominence=0.1)
    peaks = peaks + 2
    peaks = peaks[mean[peaks] >= MIN_AUTOCORRELATION]
    if len(peaks) == 0:
        return None
    return int(peaks[mean[peaks] >= 0.9 * mean[peaks].max()][0])


def local_residual(values: np.ndarray, period: int | None) -> np.ndarray:
    """Return the residual after a running median over a quarter period (at least 5 samples), [T, C].

    It contains the fast, fine part of the series.
    """
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    width = max(5, (period or 40) // 4) | 1
    return columns - ndimage.median_filter(columns, size=(width, 1), mode="nearest")


def rolling_std(values: np.ndarray, width: int) -> np.ndarray:
    """Return the centred rolling standard deviation over ``width`` samples, [T, C]."""
    columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    columns = columns - columns.mean(axis=0)
    mean = ndimage.uniform_filter1d(columns, width, axis=0, mode="nearest")
    square = ndimage.uniform_filter1d(columns**2, width, axis=0, mode="nearest")
    return np.sqrt(np.maximum(square - mean**2, 0.0))


def auc(negative: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve.

    It is the probability that a positive value exceeds a negative one; ties count half.
    """
    ordered = np.sort(negative)
    ranks = np.searchsorted(ordered, positive, side="left") + np.searchsorted(ordered, positive, side="right")
    return float(ranks.mean() / (2 * len(ordered)))


def separated_minima(cost: np.ndarray, width: int, partner: Callable[[int], int] | None = None) -> Iterator[int]:
    """Yield positions of the lowest finite ``cost`` [n], lowest first, at least ``width`` apart.

    If ``partner`` is given, later positions are also at least ``width`` from ``partner(position)`` of earlier ones.
    """
    remaining = cost.copy()
    while np.isfinite(remaining.min()):
        best = int(remaining.argmin())
        yield best
        for position in (best,) if partner is None else (best, partner(best)):
            remaining[max(0, position - width + 1) : max(0, position + width)] = np.inf
