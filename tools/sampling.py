"""Measure how a channel was sampled: the resolution of its values and the regularity of its timestamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool

from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

ON_GRID = 0.02  # share of a step
MOST_STEPS = 1e6


@dataclass(frozen=True)
class Sampling:
    """Result of `measure_sampling`. Without timestamps, the fields about steps in time are null."""

    quantisation_step: float | None  # in data units; null if the values are on no grid
    levels: float | None  # number of such steps from the lowest to the highest value
    step_seconds: float | None
    jitter_share: float | None  # of steps that differ from the median step by over a tenth
    gaps: int | None  # steps of at least twice the median
    longest_gap_seconds: float | None


def steps_of(timestamps: np.ndarray) -> np.ndarray:
    """Return the seconds from each of ``timestamps`` [n] to the next, [n - 1]."""
    return np.diff(timestamps).astype("timedelta64[ms]").astype(float) / 1000


def measure_sampling(values: np.ndarray, timestamps: np.ndarray | None) -> Sampling:
    """Measure the grid of ``values`` [n] and the regularity of ``timestamps`` [n]."""
    require(values, 32)
    gaps = np.diff(np.unique(values))
    span = float(np.ptp(values))
    gaps = gaps[gaps > span / MOST_STEPS]
    step = float(gaps.min())
    on_grid = np.abs(gaps / step - np.round(gaps / step)) < ON_GRID
    grid = bool(on_grid.mean() > 0.99 and len(gaps) < len(values) // 4)
    clock: dict[str, float | int | None] = dict.fromkeys(
        ("step_seconds", "jitter_share", "gaps", "longest_gap_seconds")
    )
    if timestamps is not None:
        steps = steps_of(timestamps)
        usual = float(np.median(steps))
        clock = {
            "step_seconds": usual,
            "jitter_share": float(np.mean(np.abs(steps - usual) > 0.1 * usual)),
            "gaps": int((steps >= 2 * usual).sum()),
            "longest_gap_seconds": float(steps.max()),
        }
    return Sampling(step if grid else None, span / step if grid else None, **clock)  # type: ignore[arg-type]


def sampling_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``sampling``."""

    @agent_tool
    def sampling(channel: Channel) -> Sampling:
        """Measure the resolution of the values and the regularity of the timestamps.

        quantisation_step: smallest step of the values, if they are on a grid; smaller changes cannot be seen.
        jitter_share, gaps: how regular the timestamps are; null without timestamps.
        """
        return measure_sampling(workbench.column(channel), workbench.series.timestamps)

    return sampling
