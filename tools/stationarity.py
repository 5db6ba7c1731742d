"""Measure stationarity: a unit-root test, and how level and spread change over the length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from statsmodels.tsa.stattools import adfuller

from ape.series.numerics import ROUNDING, dominant_period, robust_scale
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LEAST_POINTS = 64
MOST_POINTS = 5_000  # of the test; longer series are averaged in equal bins
MOST_LAGS = 12
LEAST_BOX, BOXES = 8, 12  # samples, and the number of sizes
BLOCKS = 10
LEAST_SPREAD = 1e-3  # standard deviations


@dataclass(frozen=True)
class Stationarity:
    """Result of `measure_stationarity`. Levels and spreads are in standard deviations of the whole training part."""

    adf_statistic: float
    adf_p_value: float
    binned_by: int  # samples averaged into one before the test
    level_range_in_sd: float  # of the medians of up to ten blocks
    trend_over_length_in_sd: float  # change of a line through these medians from first to last
    trend_fit: float  # R squared of that line
    memory: float  # exponent of the detrended fluctuations: 0.5 no memory, 1 long memory, 1.5 random walk
    block_spread_ratio: float  # 90 % quantile of the robust scales of the blocks divided by the 10 % quantile
    block_levels: list[float]
    block_spreads: list[float]


def measure_stationarity(values: np.ndarray) -> Stationarity:
    """Test ``values`` [n] for a unit root, and measure level and spread of blocks.

    The test is that of Dickey and Fuller, augmented (Said and Dickey 1984).
    """
    values = np.asarray(values, dtype=np.float64)
    require(values, LEAST_POINTS)
    width = -(-len(values) // MOST_POINTS)
    binned = values[: len(values) // width * width].reshape(-1, width).mean(axis=1)
    scale = float(values.std())
    test = adfuller((binned - binned.mean()) / scale, maxlag=MOST_LAGS, result_object=True)
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
    """Return the exponent of the detrended fluctuation analysis of ``values`` [n], n at least 64.

    It is the exponent with which fluctuations about a line in boxes of the cumulated series grow with the box size
    (Peng et al., Phys. Rev. E 49, 1994).
    """
    walk = np.cumsum(values - values.mean())
    sizes = np.unique(np.geomspace(LEAST_BOX, len(walk) // 4, BOXES).astype(int))
    fluctuations = []
    for size in sizes:
        boxes = walk[: len(walk) // size * size].reshape(-1, size).T
        line = np.vander(np.linspace(-1, 1, size), 2)
        left = boxes - line @ np.linalg.lstsq(line, boxes, rcond=None)[0]
        fluctuations.append(np.sqrt(np.mean(left**2)))
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(fluctuations, ROUNDING * np.abs(walk).max())), 1)[0])


def _blocks(values: np.ndarray) -> np.ndarray:
    """Cut up to ten equal, evenly placed blocks, [blocks, length], of whole cycles if there is a period."""
    period = dominant_period(values) or 1
    count = min(BLOCKS, len(values) // period)
    length = len(values) // count // period * period
    begins = np.linspace(0, len(values) - length, count).astype(int)
    return values[begins[:, None] + np.arange(length)]


def stationarity_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``stationarity``."""

    @agent_tool
    def stationarity(channel: Channel) -> Stationarity:
        """Measure whether level and spread of a channel stay the same over its length.

        adf_p_value: below 0.05 the series returns to its level, above 0.1 it may wander. level_range_in_sd: above 1 the
        level moves; with a trend_fit above 0.8 it moves steadily, by trend_over_length_in_sd. memory: 0.5 means no
        memory, near 1 a long memory, 1.5 a random walk. block_spread_ratio: above 2 the activity differs between
        blocks. There are up to ten blocks, and they contain whole cycles.
        """
        return measure_stationarity(workbench.column(channel)[workbench.points])

    return stationarity
