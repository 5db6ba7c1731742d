"""Find change points: positions where the level or the activity of a channel changed permanently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
NOISE_FLOOR = 0.02  # share of the variance over bins that the noise is assumed to have at least
LEAST_STEP = 0.5  # standard deviations: smaller changes of level are not reported
LEAST_RATIO = 1.5  # smaller changes of activity are not reported
LISTED = 5


@dataclass(frozen=True)
class ChangePoints:
    """Result of `find_changes`: the largest changes, each with its position and size."""

    bins: int  # with fewer than 8, no change is reported
    bin_width: int  # samples; the resolution of the positions
    count: int  # of changes of level
    positions: list[int]  # of the largest changes of level
    sizes_in_sd: list[float]  # absolute, in standard deviations of the channel
    level_explained: float  # share of the variance of bin medians that these changes explain
    activity_count: int  # of changes of activity
    activity_positions: list[int]
    activity_ratios: list[float]  # spread after divided by spread before


def find_changes(values: np.ndarray) -> ChangePoints:
    """Find changes in the medians and in the spreads of up to 500 bins of ``values`` [n].

    If there is a period, bins contain whole cycles, so that a cycle is not mistaken for a change of level.
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
    level_changes = [(at * width, abs(step)) for at, step in _segments(level) if abs(step) >= LEAST_STEP]
    activity_changes = [(at * width, step) for at, step in _segments(spread) if abs(step) >= np.log(LEAST_RATIO)]
    largest, most_active = _largest(level_changes), _largest(activity_changes)
    borders = [position // width for position, _ in level_changes]
    residual = level - np.repeat(_means(level, borders), np.diff([0, *borders, count]))
    return ChangePoints(
        bins=count,
        bin_width=width,
        count=len(level_changes),
        positions=[position for position, _ in largest],
        sizes_in_sd=[size for _, size in largest],
        level_explained=float(1 - np.var(residual) / np.var(level)) if level_changes else 0.0,
        activity_count=len(activity_changes),
        activity_positions=[position for position, _ in most_active],
        activity_ratios=[float(np.exp(step)) for _, step in most_active],
    )


def _segments(feature: np.ndarray) -> list[tuple[int, float]]:
    """Fit ``feature`` [bins] by constant pieces (PELT, Killick et al. 2012); return each border and its step."""
    if len(feature) < LEAST_BINS or np.ptp(feature) == 0:
        return []
    noise = max(float(robust_scale(np.diff(feature))) ** 2 / 2, NOISE_FLOOR * float(np.var(feature)))
    search = ruptures.KernelCPD(kernel="linear", min_size=2).fit(feature[:, None])
    borders = [int(border) for border in search.predict(pen=PENALTY * np.log(len(feature)) * noise)[:-1]]
    return list(zip(borders, np.diff(_means(feature, borders)).tolist(), strict=True))


def _means(feature: np.ndarray, borders: list[int]) -> np.ndarray:
    starts = np.array([0, *borders])
    return np.add.reduceat(feature, starts) / np.diff([*starts, len(feature)])


def _largest(changes: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return sorted(sorted(changes, key=lambda change: -abs(change[1]))[:LISTED])


def change_points_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``change_points``."""

    @agent_tool
    def change_points(channel: Channel) -> dict[str, Any]:
        """Find positions where the level or the activity of a channel changed permanently.

        positions: the largest changes of level; sizes_in_sd: their sizes in standard deviations. level_explained: near
        1 with one or two changes means true steps; many small changes mean a drift or a wandering level.
        activity_ratios: spread after divided by spread before. The resolution of positions is bin_width. Bins contain
        whole cycles; with fewer than 8 bins, no change is reported.
        """
        points = workbench.points
        found = vars(find_changes(workbench.column(channel)[points]))
        for name, times in (("positions", "times"), ("activity_positions", "activity_times")):
            found[name] = points[found[name]].tolist()
            if workbench.time(0) is not None:
                found[times] = [workbench.time(position) for position in found[name]]
        return found

    return change_points
