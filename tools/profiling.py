"""Numbers that describe one channel: the functions behind the profiler's tools.

Every function takes the training values of a channel, float64 [n], and returns a plain dict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import ruptures
from scipy import signal, stats
from statsmodels.tsa.seasonal import MSTL, STL
from statsmodels.tsa.stattools import adfuller

from ape.series.matrix_profile import matrix_profile
from ape.series.numerics import acf, dominant_period, local_residual, robust_scale

STL_POINTS = 20_000  # longer series are decomposed over their first part
ADF_POINTS = 5_000
BLOCKS = 400  # a change-point search works on that many block medians


def robust_stats(x: np.ndarray) -> dict[str, Any]:
    """Location, scale, tails, steps, discreteness and flat runs."""
    steps = np.abs(np.diff(x))
    scale = float(robust_scale(x))
    moves = np.flatnonzero(np.diff(x) != 0)
    runs = np.diff(np.concatenate([[-1], moves, [len(x) - 1]]))
    low, high = float(x.min()), float(x.max())
    quantiles = np.quantile(x, [0.001, 0.25, 0.5, 0.75, 0.999])
    margin = 1e-3 * (high - low)
    fine = float(robust_scale(local_residual(x, dominant_period(x))[:, 0]))
    return {
        "median": quantiles[2],
        "robust_sd": scale,
        "minimum": low,
        "maximum": high,
        "quantiles_0.1_25_75_99.9_percent": quantiles[[0, 1, 3, 4]],
        "skewness": float(stats.skew(x)),
        "tail_ratio": float((quantiles[4] - quantiles[0]) / max(quantiles[3] - quantiles[1], 1e-12)),
        "largest_step_over_99_percent": float(steps.max() / max(np.quantile(steps, 0.99), 1e-12)),
        "residual_sd_share": float(min(fine / max(x.std(), 1e-12), 1.0)),
        "distinct_values_share": len(np.unique(x)) / len(x),
        "repeated_share": float(np.mean(steps == 0)),
        "longest_flat_run": int(runs.max()),
        "at_minimum_share": float(np.mean(x <= low + margin)),
        "at_maximum_share": float(np.mean(x >= high - margin)),
    }


def autocorrelation(x: np.ndarray) -> dict[str, Any]:
    """Dominant period, how well cycles repeat, and whether a fixed clock predicts the phase.

    ``acf_at_periods`` is the autocorrelation at 1, 2, 5 and 10 periods; ``phase_locked`` is the share of the variance that
    survives in the mean cycle of a fixed clock, relative to the autocorrelation at one period.
    """
    period = dominant_period(x)
    if period is None:
        return {"period": None, "acf_at_periods": [], "phase_locked": 0.0}
    detrended = signal.detrend(x)
    lags = acf(detrended, min(10 * period, len(x) // 2))
    near = max(1, period // 20)

    def around(lag: int) -> float | None:
        return float(lags[lag - near : lag + near + 1].max()) if lag + near < len(lags) else None

    whole = len(detrended) // period * period
    mean_cycle = detrended[:whole].reshape(-1, period).mean(axis=0)
    explained = float(mean_cycle.var() / max(detrended[:whole].var(), 1e-12))
    repeats = whole // period
    explained = max(0.0, (explained - 1 / repeats) / (1 - 1 / repeats)) if repeats > 1 else 0.0
    first = around(period) or 0.0
    return {
        "period": period,
        "acf_at_periods": [around(k * period) for k in (1, 2, 5, 10)],
        "phase_locked": float(np.clip(explained / max(first, 0.05), 0, 1)),
    }


def spectrum(x: np.ndarray) -> dict[str, Any]:
    """Strongest periods of the Welch periodogram, spectral flatness, and how steady the dominant frequency is."""
    segment = int(min(len(x), 4096))
    frequency, power = signal.welch(x, nperseg=segment, detrend="linear")
    frequency, power = frequency[1:], power[1:] + 1e-300
    peaks, _ = signal.find_peaks(power)
    best = peaks[np.argsort(power[peaks])[::-1][:4]]
    width = int(np.clip(len(x) // 16, 64, 4096))
    f, _, z = signal.spectrogram(x, nperseg=width, noverlap=width // 2, detrend="linear")
    dominant = f[1:][z[1:].argmax(axis=0)]
    return {
        "strongest_periods": 1 / frequency[best],
        "their_power_share": power[best] / power.sum(),
        "flatness": float(np.exp(np.log(power).mean()) / power.mean()),
        "dominant_frequency_spread": float(robust_scale(dominant) / max(np.median(dominant), 1e-12)),
        "power_change_over_time": float(robust_scale(np.log(z.sum(axis=0) + 1e-12))),
    }


def stationarity(x: np.ndarray) -> dict[str, Any]:
    """Augmented Dickey-Fuller test on a thinned series, and how mean and spread move between sixteen blocks."""
    thinned = x[:: max(1, len(x) // ADF_POINTS)]
    p_value = float(adfuller(thinned, maxlag=12, autolag=None)[1])
    blocks = np.array_split(x, 16)
    means = np.array([block.mean() for block in blocks])
    spreads = np.array([block.std() for block in blocks])
    slope = np.polyfit(np.linspace(0, 1, 16), means, 1)[0]
    return {
        "adf_p_value": p_value,
        "trend_over_length_in_sd": float(slope / max(x.std(), 1e-12)),
        "block_mean_spread_in_sd": float(means.std() / max(x.std(), 1e-12)),
        "block_spread_ratio": float(np.quantile(spreads, 0.9) / max(np.quantile(spreads, 0.1), 1e-12)),
    }


def change_points(x: np.ndarray) -> dict[str, Any]:
    """Lasting changes of level: PELT (Killick et al. 2012) on block medians; sizes in robust sd of the blocks' steps."""
    width = max(1, len(x) // BLOCKS)
    blocks = np.median(x[: len(x) // width * width].reshape(-1, width), axis=1)
    scale = max(float(robust_scale(np.diff(blocks))), 1e-9 * float(np.ptp(x)), 1e-12)
    standard = (blocks - blocks.mean()) / scale
    found = ruptures.Pelt(model="l2", min_size=8, jump=2).fit(standard).predict(pen=40 * np.log(len(standard)))[:-1]
    edges = [0, *found, len(standard)]
    levels = [float(np.median(standard[a:b])) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    sizes = np.abs(np.diff(levels)) * scale / max(float(x.std()), 1e-12)
    top = np.argsort(sizes)[::-1][:8]
    return {
        "count": len(found),
        "positions": [int(found[i]) * width for i in sorted(top)],
        "sizes_in_sd": [float(sizes[i]) for i in sorted(top)],
    }


def stl(x: np.ndarray, periods: list[int]) -> dict[str, Any]:
    """Seasonal-trend decomposition (Cleveland et al. 1990), with several periods MSTL.

    Strengths follow Hyndman and Athanasopoulos (Forecasting: Principles and Practice, 4.3): 1 is a component that explains
    everything, 0 one that explains nothing.
    """
    n = min(len(x), STL_POINTS)
    usable = sorted({p for p in periods if 2 <= p <= n // 2})
    if not usable:
        msg = f"no period of {periods} fits twice into {n} points"
        raise ValueError(msg)
    jump = max(1, usable[-1] // 10)
    options = {"robust": False, "seasonal_jump": max(1, usable[0] // 10), "trend_jump": jump, "low_pass_jump": jump}
    fit = STL(x[:n], period=usable[0], **options).fit() if len(usable) == 1 else MSTL(x[:n], periods=usable, stl_kwargs=options).fit()
    seasonal = fit.seasonal if fit.seasonal.ndim == 1 else fit.seasonal.sum(axis=1)
    rest = fit.resid
    return {
        "points": n,
        "periods": usable,
        "seasonal_strength": _strength(rest, seasonal),
        "trend_strength": _strength(rest, fit.trend),
        "residual_robust_sd": float(robust_scale(rest)),
        "residual_kurtosis": float(stats.kurtosis(rest)),
    }


def _strength(rest: np.ndarray, component: np.ndarray) -> float:
    return float(max(0.0, 1 - rest.var() / max((rest + component).var(), 1e-12)))


def motifs_and_discords(x: np.ndarray, window: int) -> dict[str, Any]:
    """Best motif and the discords of the matrix profile; distances also as a share of the largest possible one."""
    if not 4 <= window <= len(x) // 3:
        msg = f"window {window} must lie between 4 and a third of {len(x)} points"
        raise ValueError(msg)
    profile = matrix_profile(x, window)
    distance = profile.distance / (2 * np.sqrt(window))
    discords, left = [], distance.copy()
    for _ in range(3):
        position = int(left.argmax())
        if left[position] < 0:
            break
        discords.append({"position": position, "distance": float(distance[position])})
        left[max(0, position - window) : position + window] = -1
    best = int(distance.argmin())
    return {
        "window": window,
        "median_distance": float(np.median(distance)),
        "distance_quantiles_10_90_99_percent": np.quantile(distance, [0.1, 0.9, 0.99]),
        "motif": {"positions": [best, int(profile.index[best])], "distance": float(distance[best])},
        "discords": discords,
    }


def correlation(columns: np.ndarray, names: list[str]) -> dict[str, Any]:
    """Correlation between channels, [n, C]: the strongest partner of each."""
    if columns.shape[1] < 2:
        return {"mean_absolute": None, "strongest": []}
    matrix = np.nan_to_num(np.corrcoef(columns, rowvar=False))
    np.fill_diagonal(matrix, 0)
    partner = np.abs(matrix).argmax(axis=1)
    pairs = sorted(((abs(matrix[i, j]), names[i], names[j]) for i, j in enumerate(partner)), reverse=True)
    return {
        "mean_absolute": float(np.abs(matrix).sum() / (matrix.size - len(matrix))),
        "strongest": [{"channels": [a, b], "correlation": r} for r, a, b in pairs[:8]],
    }
