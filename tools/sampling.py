"""How the values came about: steps of the converter, and of the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool

from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

ON_GRID = 0.02  # of a step
MOST_STEPS = 1e6


@dataclass(frozen=True)
class Sampling:
    """What `measure_sampling` measures; the clock's figures are null without timestamps."""

    quantisation_step: float | None  # in data units; null where values lie on no grid
    levels: float | None  # of that step between the lowest and the highest value
    step_seconds: float | None
    jitter_share: float | None  # of steps that differ from the usual one by over a tenth
    gaps: int | None  # steps of at least twice the usual
    longest_gap_seconds: float | None


def steps_of(timestamps: np.ndarray) -> np.ndarray:
    """Seconds from each of ``timestamps`` [n] to the next, [n - 1]."""
    return np.diff(timestamps).astype("timedelta64[ms]").astype(float) / 1000


def measure_sampling(values: np.ndarray, timestamps: np.ndarray | None) -> Sampling:
    """Grid of ``values`` [n] and regularity of ``timestamps`` [n]."""
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
    """``sampling`` over one workbench."""

    @agent_tool
    def sampling(channel: Channel) -> Sampling:
        """Resolution of the values and regularity of the clock.

        quantisation_step: smallest step of the values, if they lie on a grid; changes below it cannot be seen.
        jitter_share and gaps: how regular the timestamps are, where there are any.
        """
        return measure_sampling(workbench.column(channel), workbench.series.timestamps)

    return sampling
