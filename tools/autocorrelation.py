"""Cycles: the dominant period, how well it recurs, and whether a fixed clock can tell its phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from scipy import ndimage, signal

from ape.series.numerics import MAX_PERIOD_SHARE, acf, dominant_period
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LEAST_POINTS = 16
PEAKS = 6
MULTIPLES = (1, 2, 5, 10)  # periods at which the autocorrelation is told
CHUNKS, CYCLES_A_CHUNK = 8, 6  # for the spread of the period: at most so many chunks, at least so many cycles in each
BLOCKS = 32  # for the clock: at most so many blocks of whole cycles
CLOCK_REACH = 0.02  # of the period: how far the clock's period may be from the dominant one
CLOCK_TRIALS = 41


@dataclass(frozen=True)
class Cycles:
    """What `measure_cycles` measures; lags and periods in samples."""

    lag_1: float
    peaks: list[dict[str, float]]  # lag and correlation, highest first
    period: int | None
    acf_at_periods: list[float | None]  # after 1, 2, 5 and 10 periods, where they fit
    period_low: float | None  # shortest and longest period over chunks
    period_high: float | None
    period_spread: float | None  # their difference over the period
    clock_period: int | None
    phase_locked: float | None  # see `clock_agreement`


def measure_cycles(values: np.ndarray) -> Cycles:
    """Measure the cycles of ``values`` [n]; without a dominant period only the peaks are told."""
    values = np.asarray(values, dtype=np.float64)
    require(values, LEAST_POINTS)
    period = dominant_period(values)
    detrended = signal.detrend(values)
    n_lags = int(len(values) * MAX_PERIOD_SHARE)
    correlation = acf(detrended, max(n_lags, min(len(values) // 2, MULTIPLES[-1] * (period or 0))))
    found = signal.find_peaks(correlation[: n_lags + 1], prominence=0.05)[0]
    highest = found[np.argsort(-correlation[found], kind="stable")][:PEAKS]
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
    """Period in each of up to 8 equal chunks of ``values`` [n], [chunks]; None where fewer than two chunks fit.

    The highest autocorrelation within 30 % of ``period``, refined by a parabola through its neighbours.
    """
    count = min(CHUNKS, len(values) // (CYCLES_A_CHUNK * period))
    if count < 2:
        return None
    first, last = max(1, int(0.7 * period)), int(np.ceil(1.3 * period))
    refined = []
    for chunk in np.array_split(values, count):
        around = acf(chunk, last + 1)
        lag = first + int(around[first : last + 1].argmax())
        before, here, after = around[lag - 1 : lag + 2]
        bend = before - 2 * here + after
        refined.append(lag + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return np.clip(np.array(refined), first, last)


def clock_agreement(values: np.ndarray, period: int) -> float:
    """How well a clock of a whole number of samples predicts where in its cycle the series is.

    The series, less its running mean over one period, is cut into blocks of whole cycles; the mean cycle of each block
    is correlated with that of all other blocks, and the correlations are averaged. 1: every block shows the same cycle
    at the same phase from beginning to end; about 0: the phase wanders, or there is no cycle.

    Parameters
    ----------
    values : ndarray [n]
    period : int
        In samples; at least two must fit.
    """
    count = len(values) // period
    blocks = min(BLOCKS, count)
    a_block = count // blocks
    fast = values - ndimage.uniform_filter1d(values, period, mode="nearest")
    mean = fast[: blocks * a_block * period].reshape(blocks, a_block, period).mean(axis=1)
    mean = mean - mean.mean(axis=1, keepdims=True)
    others = mean.sum(axis=0) - mean
    size = np.linalg.norm(mean, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.mean((mean * others).sum(axis=1) / np.maximum(size, 1e-12)))


def best_clock(values: np.ndarray, period: int) -> tuple[int, float]:
    """Whole-sample period within 2 % (or 1 sample) of ``period`` with the best `clock_agreement`, and this."""
    reach = max(1, round(CLOCK_REACH * period))
    spaced = np.linspace(period - reach, period + reach, min(2 * reach + 1, CLOCK_TRIALS))
    trials = np.unique(spaced.round().astype(int))
    trials = trials[(trials >= 2) & (trials <= len(values) // 2)]
    agreements = [clock_agreement(values, int(trial)) for trial in trials]
    best = int(np.argmax(agreements))
    return int(trials[best]), agreements[best]


def autocorrelation_tool(workbench: Workbench) -> BaseTool:
    """``autocorrelation`` over one workbench."""

    @agent_tool
    def autocorrelation(channel: Channel) -> Cycles:
        """Period of a channel, and how steady its cycles are. Its period is what stl and matrix_profile want.

        period: null where nothing recurs. acf_at_periods: correlation after 1, 2, 5, 10 periods; high after 1 and low
        after 10 means cycles of varying length. period_spread: relative range of the period over chunks; above 0.1 the
        cycles vary. phase_locked: 1 if a clock of clock_period samples tells the phase over the whole length, near 0 if
        the phase wanders. Rules bound to a phase need it above 0.8, with clock_period as their period.
        """
        return measure_cycles(workbench.column(channel))

    return autocorrelation
