"""Stationarity: a unit-root test, and how level and spread move over the length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from statsmodels.tsa.stattools import adfuller

from ape.series.numerics import dominant_period, robust_scale
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LEAST_POINTS = 64
MOST_POINTS = 5_000  # for the test; longer series are averaged in equal bins
MOST_LAGS = 12
LEAST_BOX, BOXES = 8, 12  # samples, and how many sizes
BLOCKS = 10
LEAST_SPREAD = 1e-3  # standard deviations


@dataclass(frozen=True)
class Stationarity:
    """What `measure_stationarity` measures; levels and spreads in standard deviations of the whole training part."""

    adf_statistic: float
    adf_p_value: float
    binned_by: int  # samples averaged into one before the test
    level_range_in_sd: float  # of the medians of up to ten blocks
    trend_over_length_in_sd: float  # change of a line through these medians, from the first to the last
    trend_fit: float  # R squared of that line
    memory: float  # exponent of the detrended fluctuations: 0.5 forgets, 1 remembers for long, 1.5 is a random walk
    block_spread_ratio: float  # 90 % over 10 % quantile of the robust scales of the blocks
    block_levels: list[float]
    block_spreads: list[float]


def measure_stationarity(values: np.ndarray) -> Stationarity:
    """Augmented Dickey-Fuller test (Said and Dickey 1984), and level and spread over blocks of ``values`` [n]."""
    values = np.asarray(values, dtype=np.float64)
    require(values, LEAST_POINTS)
    width = -(-len(values) // MOST_POINTS)
    binned = values[: len(values) // width * width].reshape(-1, width).mean(axis=1)
    test = adfuller(binned, maxlag=MOST_LAGS, result_object=True)
    scale = float(values.std())
    blocks = _blocks(values)
    levels = (np.median(blocks, axis=1) - np.median(values)) / scale
    spreads = robust_scale(blocks, axis=1) / scale
    quiet, loud = np.quantile(spreads, [0.1, 0.9])
    place = np.linspace(-0.5, 0.5, len(blocks))
    slope = float(place @ levels / (place @ place))
    scatter = levels - levels.mean()
    left = scatter - slope * place
    return Stationarity(
        adf_statistic=float(test.statistic),
        adf_p_value=float(test.pvalue),
        binned_by=width,
        level_range_in_sd=float(np.ptp(levels)),
        trend_over_length_in_sd=slope,
        trend_fit=float(1 - left @ left / (scatter @ scatter)) if np.ptp(levels) > 0 else 0.0,
        memory=fluctuation_exponent(binned),
        block_spread_ratio=float(loud / max(quiet, LEAST_SPREAD)),
        block_levels=levels.tolist(),
        block_spreads=spreads.tolist(),
    )


def fluctuation_exponent(values: np.ndarray) -> float:
    """Exponent with which fluctuations about a line in boxes of the summed series grow with the boxes.

    Detrended fluctuation analysis (Peng et al., Phys. Rev. E 49, 1994) of ``values`` [n], n at least 64.
    """
    walk = np.cumsum(values - values.mean())
    sizes = np.unique(np.geomspace(LEAST_BOX, len(walk) // 4, BOXES).astype(int))
    fluctuations = []
    for size in sizes:
        boxes = walk[: len(walk) // size * size].reshape(-1, size).T
        line = np.vander(np.linspace(-1, 1, size), 2)
        left = boxes - line @ np.linalg.lstsq(line, boxes, rcond=None)[0]
        fluctuations.append(np.sqrt(np.mean(left**2)))
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(fluctuations, 1e-12)), 1)[0])


def _blocks(values: np.ndarray) -> np.ndarray:
    """Up to ten equal blocks, evenly placed, of whole cycles where there is a period: [blocks, length]."""
    period = dominant_period(values) or 1
    count = min(BLOCKS, len(values) // period)
    length = len(values) // count // period * period
    begins = np.linspace(0, len(values) - length, count).astype(int)
    return values[begins[:, None] + np.arange(length)]


def stationarity_tool(workbench: Workbench) -> BaseTool:
    """``stationarity`` over one workbench."""

    @agent_tool
    def stationarity(channel: Channel) -> Stationarity:
        """Whether level and spread of a channel stay the same over its length.

        adf_p_value: below 0.05 the series returns to its level, above 0.1 it may wander. level_range_in_sd: above 1 the
        level moves; trend_over_length_in_sd with a trend_fit above 0.8 says that it does so steadily.
        memory: 0.5 forgets at once, towards 1 it remembers for long, 1.5 is a random walk.
        block_spread_ratio: above 2 the activity differs between the blocks, which are up to ten and hold whole cycles.
        """
        return measure_stationarity(workbench.column(channel))

    return stationarity
