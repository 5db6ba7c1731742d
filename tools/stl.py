"""Seasonal-trend decomposition: measure how much of a channel its cycles and its trend explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from langchain_core.tools import BaseTool
from pydantic import Field
from scipy import stats
from statsmodels.tsa.seasonal import MSTL, STL

from ape.series.numerics import NEGLIGIBLE, robust_scale
from ape.tools.boundary import Channel, agent_tool, require, require_cycles
from ape.tools.workbench import Workbench

MOST_POINTS = 20_000  # of longer series, the middle is analysed
LEAST_CYCLES = 3
SEASONAL_WINDOW = 13  # cycles of the seasonal smoother; odd
JUMP_SHARE = 0.1  # share of the period between evaluations of LOESS, with lines in between
NORMAL_TAIL = 3.2905  # standard deviations that contain 99.9 % of a normal distribution

Periods = Annotated[list[int], Field(min_length=1, max_length=3, description="lengths of the cycles in samples")]


@dataclass(frozen=True)
class Decomposition:
    """Result of `decompose`: parts that add up to the stretch ``[begin, end)``.

    ``seasonal`` [S, n] has one row per period; ``trend`` and ``residual`` are [n].
    """

    begin: int
    end: int
    seasonal: np.ndarray
    trend: np.ndarray
    residual: np.ndarray


def decompose(values: np.ndarray, periods: Sequence[int]) -> Decomposition:
    """Decompose by STL (Cleveland et al. 1990), or by MSTL (Bandara, Hyndman and Bergmeir 2021) for several periods.

    Parameters
    ----------
    values : ndarray [n]
        Of more than 20,000 points (or three of the longest cycles), the middle is used.
    periods : sequence of int
        In samples, increasing. Each must fit three times.
    """
    values = np.asarray(values, dtype=np.float64)
    require(values, 4 * LEAST_CYCLES)
    for period in periods:
        require_cycles(values, period, LEAST_CYCLES)
    analysed = min(len(values), max(MOST_POINTS, LEAST_CYCLES * max(periods)))
    begin = (len(values) - analysed) // 2
    stretch = values[begin : begin + analysed]
    jump = max(1, int(JUMP_SHARE * min(periods)))
    jumps = {"trend_jump": jump, "low_pass_jump": jump}
    if len(periods) == 1:
        parts = STL(stretch, period=periods[0], seasonal=SEASONAL_WINDOW, **jumps).fit()
    else:
        windows = [SEASONAL_WINDOW] * len(periods)
        parts = MSTL(stretch, periods=tuple(periods), windows=windows, stl_kwargs=jumps).fit()
    seasonal = np.asarray(parts.seasonal).reshape(analysed, -1).T
    return Decomposition(begin, begin + analysed, seasonal, np.asarray(parts.trend), np.asarray(parts.resid))


def strength(part: np.ndarray, residual: np.ndarray) -> float:
    """Return the strength of a part [n] relative to the residual [n]: ``max(0, 1 - var(R) / var(part + R))``.

    Wang, Smith and Hyndman 2006; Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd ed.), 4.3.
    """
    whole = float(np.var(part + residual))
    return max(0.0, 1 - float(np.var(residual)) / whole) if whole > 0 else 0.0


def stl_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``stl``."""

    @agent_tool
    def stl(channel: Channel, periods: Periods) -> dict[str, Any]:
        """Split a channel into trend, cycles of one or several periods, and residual (STL, MSTL).

        seasonal_strength, trend_strength: strength of that part relative to the residual, 0 to 1; noise alone gives
        seasonal strengths up to about 0.3. residual_share: robust scale of the residual divided by the standard
        deviation of the channel; small means that the cycle explains the channel. residual_kurtosis: 0 for normal
        residuals. residual_tail_ratio: 1 for normal residuals; above 2 there are rare large deviations. analysed: the
        stretch that was decomposed. The artefact contains trend, cycles and residual as rows.
        """
        begin, values = workbench.stretch(channel)
        periods = sorted(set(periods))
        parts = decompose(values, periods)
        deviation = float(values.std())
        scale = float(robust_scale(parts.residual, least=NEGLIGIBLE * deviation))
        return {
            "analysed": [begin + parts.begin, begin + parts.end],
            "periods": periods,
            "seasonal_strength": strength(parts.seasonal.sum(axis=0), parts.residual),
            "strength_by_period": [strength(row, parts.residual) for row in parts.seasonal],
            "trend_strength": strength(parts.trend, parts.residual),
            "residual_scale": scale,
            "residual_share": scale / deviation,
            "residual_kurtosis": float(stats.kurtosis(parts.residual)),
            "residual_tail_ratio": float(np.quantile(np.abs(parts.residual), 0.999)) / (NORMAL_TAIL * scale),
            "artefact": workbench.artefacts.put_array(
                np.vstack([parts.trend + workbench.offset(channel), parts.seasonal, parts.residual])
            ),
        }

    return stl
