"""Measure cycles: the dominant period, how well it recurs, and whether a fixed clock predicts its phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from scipy import ndimage, signal

from ape.series.numerics import MAX_PERIOD_SHARE, NEGLIGIBLE, acf, dominant_period
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LEAST_POINTS = 16
PEAKS = 6
MULTIPLES = (1, 2, 5, 10)  # periods at which the autocorrelation is reported
CHUNKS, CYCLES_A_CHUNK = 8, 6  # for the spread of the period: most chunks, fewest cycles in each
BLOCKS = 32  # of whole cycles, at most, for the clock
CLOCK_REACH = 0.02  # share of the period by which the clock may differ from the dominant period
CLOCK_TRIALS = 41


@dataclass(frozen=True)
class Cycles:
    """Result of `measure_cycles`. Lags and periods are in samples."""

    lag_1: float
    peaks: list[dict[str, float]]  # lag and correlation, highest first
    period: int | None
    acf_at_periods: list[float | None]  # after 1, 2, 5 and 10 periods; null if the series is too short
    period_low: float | None  # shortest and longest period over chunks
    period_high: float | None
    period_spread: float | None  # their difference divided by the period
    clock_period: int | None
    phase_locked: float | None  # see `clock_agreement`


def measure_cycles(values: np.ndarray) -> Cycles:
    """Measure the cycles of ``values`` [n]. Without a dominant period, only the peaks are reported."""
    values = np.asarray(values, dtype=np.float64)
    require(values, LEAST_POINTS)
    period = dominant_period(values)
    detrended = signal.detrend(values)
    n_lags = int(len(values) * MAX_PERIOD_SHARE)
    correlation = acf(detrended, max(n_lags, min(len(values) // 2, MULTIPLES[-1] * (period or 0))))
    lags = signal.find_peaks(correlation[: n_lags + 1], prominence=0.05)[0]
    highest = lags[np.argsort(-correlation[lags], kind="stable")][:PEAKS]
    chunk_periods = periods_over_chunks(detrended, period) if period else None
    low, high = (float(chunk_periods.min()), float(chunk_periods.max())) if chunk_periods is not None else (None, None)
    clock_period, agreement = best_clock(detrended, period) if period else (None, None)
    return Cycles(
        lag_1=float(correlation[1]),
        peaks=[{"lag": int(lag), "correlation": float(correlation[lag])} for lag in highest],
        period=period,
        acf_at_periods=[
            float(correlation[k * period]) if k * period < len(correlation) else None for k in MULTIPLES if period
        ],
        period_low=low,
        period_high=high,
        period_spread=(high - low) / period if period and low is not None and high is not None else None,
        clock_period=clock_period,
        phase_locked=agreement,
    )


def periods_over_chunks(values: np.ndarray, period: int) -> np.ndarray | None:
    """Return the period in each of up to 8 equal chunks of ``values`` [n], [chunks], or None if two chunks do not fit.

    The period of a chunk is the lag with the highest autocorrelation within 30 % of ``period``, refined by a parabola
    through its neighbours.
    """
    count = min(CHUNKS, len(values) // (CYCLES_A_CHUNK * period))
    if count < 2:
        return None
    first, last = max(1, int(0.7 * period)), int(np.ceil(1.3 * period))
    refined, least = [], NEGLIGIBLE * float(values.std())
    for chunk in np.array_split(values, count):
        around = acf(chunk, last + 1, least)
        lag = first + int(around[first : last + 1].argmax())
        before, here, after = around[lag - 1 : lag + 2]
        bend = before - 2 * here + after
        refined.append(lag + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return np.clip(np.array(refined), first, last)


def clock_agreement(values: np.ndarray, period: int) -> float:
    """Measure how well a clock with a period of whole samples predicts the phase of the series.

    Subtract the running mean over one period and cut the series into blocks of whole cycles. Correlate the mean cycle
    of each block with that of all other blocks, and average the correlations. 1 means that every block has the same
    cycle at the same phase. About 0 means that the phase wanders, or that there is no cycle.

    Parameters
    ----------
    values : ndarray [n]
    period : int
        In samples. At least two periods must fit.
    """
    count = len(values) // period
    blocks = min(BLOCKS, count)
    a_block = count // blocks
    fast = values - ndimage.uniform_filter1d(values, period, mode="nearest")
    mean = fast[: blocks * a_block * period].reshape(blocks, a_block, period).mean(axis=1)
    mean = mean - mean.mean(axis=1, keepdims=True)
    others = mean.sum(axis=0) - mean
    size = np.linalg.norm(mean, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.mean((mean * others).sum(axis=1) / np.maximum(size, NEGLIGIBLE**2 * values.var())))


def best_clock(values: np.ndarray, period: int) -> tuple[int, float]:
    """Return the period in whole samples within 2 % (or 1 sample) of ``period`` that agrees best, and its agreement."""
    reach = max(1, round(CLOCK_REACH * period))
    spaced = np.linspace(period - reach, period + reach, min(2 * reach + 1, CLOCK_TRIALS))
    trials = np.unique(spaced.round().astype(int))
    trials = trials[(trials >= 2) & (trials <= len(values) // 2)]
    agreements = [clock_agreement(values, int(trial)) for trial in trials]
    best = int(np.argmax(agreements))
    return int(trials[best]), agreements[best]


def autocorrelation_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``autocorrelation``."""

    @agent_tool
    def autocorrelation(channel: Channel) -> Cycles:
        """Measure the period of a channel and how steady its cycles are. Use the period for stl and matrix_profile.

        period: null if nothing recurs. acf_at_periods: correlation after 1, 2, 5, 10 periods; high after 1 and low
        after 10 means that the cycles vary in length. period_spread: relative range of the period over chunks; above
        0.1 the cycles vary. phase_locked: 1 if a clock of clock_period samples predicts the phase over the whole
        length, near 0 if the phase wanders. Rules bound to a phase need phase_locked above 0.8 and clock_period as
        their period.
        """
        return measure_cycles(workbench.stretch(channel)[1])

    return autocorrelation
