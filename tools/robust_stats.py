"""Measure robust statistics of a channel: spread, tails, fine scatter, discreteness, flat runs, limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from scipy import stats

from ape.series.numerics import dominant_period, local_residual, robust_scale
from ape.tools.boundary import Channel, agent_tool
from ape.tools.plain import Level
from ape.tools.workbench import Workbench

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.75, 0.95, 0.99, 0.999)
FLOOR = 1e-3  # share of the range: the smallest denominator of a ratio
AT = 1e-3  # share of the range: closer to a limit counts as being at it


@dataclass(frozen=True)
class RobustStats:
    """Result of `describe`. Shares are between 0 and 1; sizes are in data units unless they are ratios."""

    points: int
    median: float
    robust_scale: float
    minimum: float
    maximum: float
    quantiles: dict[str, float]
    skewness: float
    tail_ratio: float  # span of the outermost quantiles divided by that of the quartiles; 4.6 = normal
    residual_sd_share: float  # fine scatter divided by the standard deviation; near 0 = smooth, near 1 = noise
    largest_jump_ratio: float  # largest one-step change divided by the 99 % quantile of all
    repeated_share: float  # values equal to the previous one
    longest_flat_run: int  # samples
    distinct_values: int
    distinct_values_share: float
    zero_share: float
    at_minimum_share: float  # closer to the limit than 0.1 % of the range; 0.02 for a sine
    at_maximum_share: float


def describe(values: np.ndarray, offset: float = 0.0) -> RobustStats:
    """Measure one channel, ``values + offset`` [n]. If it is constant, spreads and ratios are 0 and skewness is NaN."""
    values = np.asarray(values, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    span = high - low
    scale = float(robust_scale(values)) if span > 0 else 0.0
    fine = float(robust_scale(local_residual(values, dominant_period(values))[:, 0])) if span > 0 else 0.0
    quantiles = np.quantile(values, QUANTILES)
    steps = np.abs(np.diff(values, append=values[-1:]))[:-1]
    usual = float(np.quantile(steps, 0.99)) if len(steps) else 0.0
    distinct, deviation = len(np.unique(values)), float(values.std())

    def level(value: float) -> Level:
        return Level.of(value + offset, deviation if span > 0 else 0.0)

    return RobustStats(
        points=len(values),
        median=level(float(np.median(values))),
        robust_scale=scale,
        minimum=level(low),
        maximum=level(high),
        quantiles={f"{q:g}": level(float(v)) for q, v in zip(QUANTILES, quantiles, strict=True)},
        skewness=float(stats.skew(values)) if span > 0 else np.nan,
        tail_ratio=_ratio(quantiles[-1] - quantiles[0], quantiles[4] - quantiles[3], span),
        residual_sd_share=min(1.0, _ratio(fine, deviation, span)),
        largest_jump_ratio=_ratio(steps.max(initial=0.0), usual, span),
        repeated_share=float(np.mean(steps == 0)) if len(steps) else 0.0,
        longest_flat_run=longest_run(values),
        distinct_values=distinct,
        distinct_values_share=distinct / len(values),
        zero_share=float(np.mean(values == np.float32(-offset))),
        at_minimum_share=float(np.mean(values <= low + AT * span)),
        at_maximum_share=float(np.mean(values >= high - AT * span)),
    )


def longest_run(values: np.ndarray) -> int:
    """Return the length in samples of the longest run of one repeated value in ``values`` [n]."""
    borders = np.flatnonzero(np.diff(values))
    return int(np.diff(np.concatenate([[-1], borders, [len(values) - 1]])).max())


def _ratio(part: float, whole: float, span: float) -> float:
    return float(part / max(whole, FLOOR * span)) if span > 0 else 0.0


def robust_stats_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``robust_stats``."""

    @agent_tool
    def robust_stats(channel: Channel) -> RobustStats:
        """Measure the distribution and basic properties of a channel. Call this tool first.

        tail_ratio: 4.6 for normal data, above 8 heavy tails. residual_sd_share: fine scatter as a share of the whole
        spread; near 0 smooth, near 1 noise. largest_jump_ratio: above 5 there are isolated jumps. repeated_share,
        longest_flat_run: flat stretches. distinct_values_share: below 0.05 the values are discrete.
        at_minimum_share, at_maximum_share: share of values at a limit, as in saturated readings; 0.02 for a sine.
        """
        return describe(workbench.stretch(channel)[1], workbench.offset(channel))

    return robust_stats
