"""Change points: where the level or the activity of a channel moved for good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ruptures
from langchain_core.tools import BaseTool

from ape.series.numerics import dominant_period, robust_scale
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LEAST_POINTS = 128
MOST_BINS = 500
LEAST_BINS = 8
LEAST_WIDTH = 10  # samples in a bin
PENALTY = 4.0  # times log(bins) and the noise variance of a bin
NOISE_FLOOR = 0.02  # of the variance over bins: the least that noise is taken to be
LEAST_STEP = 0.5  # standard deviations: smaller changes of level are not told
LEAST_RATIO = 1.5  # smaller changes of activity are not told
LISTED = 5


@dataclass(frozen=True)
class ChangePoints:
    """What `find_changes` finds; the largest changes, each with its position and size."""

    bins: int  # with fewer than 8 nothing is told
    bin_width: int  # samples; positions are this coarse
    count: int  # of changes of level
    positions: list[int]  # of the largest changes of level
    sizes_in_sd: list[float]  # without sign, in standard deviations of the channel
    level_explained: float  # share of the variance of bin medians that these changes explain
    activity_count: int  # of changes of activity
    activity_positions: list[int]
    activity_ratios: list[float]  # spread after over spread before


def find_changes(values: np.ndarray) -> ChangePoints:
    """Changes in the medians and in the spreads of up to 500 bins of ``values`` [n].

    Where there is a period, bins hold whole cycles, so that a cycle is not taken for a change of level.
    """
    values = np.asarray(values, dtype=np.float64)
    require(values, LEAST_POINTS)
    width = max(LEAST_WIDTH, -(-len(values) // MOST_BINS))
    period = dominant_period(values)
    if period:
        width = -(-width // period) * period
    count = len(values) // width
    bins = values[: count * width].reshape(count, width)
    scale = float(values.std())
    level = np.median(bins, axis=1) / scale
    spread = np.log(np.maximum((np.quantile(bins, 0.9, axis=1) - np.quantile(bins, 0.1, axis=1)) / scale, 1e-3))
    at_level, steps = _segments(level)
    at_spread, factors = _segments(spread)
    moved = [(a * width, abs(s)) for a, s in zip(at_level, steps, strict=True) if abs(s) >= LEAST_STEP]
    stirred = [(a * width, f) for a, f in zip(at_spread, factors, strict=True) if abs(f) >= np.log(LEAST_RATIO)]
    largest, wildest = _largest(moved), _largest(stirred)
    borders = [position // width for position, _ in moved]
    left = level - np.repeat(_means(level, borders), np.diff([0, *borders, count]))
    return ChangePoints(
        bins=count,
        bin_width=width,
        count=len(moved),
        positions=[position for position, _ in largest],
        sizes_in_sd=[size for _, size in largest],
        level_explained=float(1 - np.var(left) / np.var(level)) if moved else 0.0,
        activity_count=len(stirred),
        activity_positions=[position for position, _ in wildest],
        activity_ratios=[float(np.exp(factor)) for _, factor in wildest],
    )


def _segments(feature: np.ndarray) -> tuple[list[int], list[float]]:
    """Borders of the best piecewise constant fit (PELT, Killick et al. 2012) of ``feature`` [bins], and its steps."""
    if len(feature) < LEAST_BINS or np.ptp(feature) == 0:
        return [], []
    noise = max(float(robust_scale(np.diff(feature))) ** 2 / 2, NOISE_FLOOR * float(np.var(feature)))
    search = ruptures.KernelCPD(kernel="linear", min_size=2).fit(feature[:, None])
    borders = [int(border) for border in search.predict(pen=PENALTY * np.log(len(feature)) * noise)[:-1]]
    return borders, np.diff(_means(feature, borders)).tolist()


def _means(feature: np.ndarray, borders: list[int]) -> np.ndarray:
    starts = np.array([0, *borders])
    return np.add.reduceat(feature, starts) / np.diff([*starts, len(feature)])


def _largest(changes: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return sorted(sorted(changes, key=lambda change: -abs(change[1]))[:LISTED])


def change_points_tool(workbench: Workbench) -> BaseTool:
    """``change_points`` over one workbench."""

    @agent_tool
    def change_points(channel: Channel) -> ChangePoints:
        """Positions where the level or the activity of a channel moved for good.

        The largest changes of level, with sizes in standard deviations. level_explained: near 1 with one or two changes
        speaks for true steps; many small ones are a drift or a wandering level. activity_ratios: spread after over
        spread before. Positions are as coarse as bin_width; with fewer than 8 bins, which hold whole cycles, nothing is
        told.
        """
        return find_changes(workbench.column(channel))

    return change_points
