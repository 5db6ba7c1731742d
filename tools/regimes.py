"""Regimes: where the shapes of a channel change for good, or for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool
from scipy.ndimage import minimum_filter1d

from ape.series.matrix_profile import arc_curve
from ape.series.matrix_profile import matrix_profile as profile_of
from ape.tools.boundary import Channel, Window, agent_tool, require, require_cycles
from ape.tools.workbench import Workbench

LISTED = 4
CLEAR = 0.45  # arcs that cross a border, as a share of what chance would draw
APART = 5  # windows between two borders


@dataclass(frozen=True)
class Regimes:
    """Borders between regimes, clearest first, with the share of arcs that cross each, 0 to 1."""

    borders: list[dict[str, float]]
    lowest_share: float


def find_regimes(index: np.ndarray, window: int) -> Regimes:
    """Borders by FLUSS (Gharghabi et al. 2017) from the neighbours' positions ``index`` [N] of a matrix profile.

    Arcs lead from each stretch to its nearest neighbour; few of them cross the border between two regimes.
    """
    curve = arc_curve(index, window)
    width = 2 * APART * window + 1
    lows = np.flatnonzero((curve == minimum_filter1d(curve, width)) & (curve < CLEAR))
    lows = lows[np.argsort(curve[lows], kind="stable")][:LISTED]
    return Regimes([{"position": int(at), "crossed_share": float(curve[at])} for at in lows], float(curve.min()))


def regimes_tool(workbench: Workbench) -> BaseTool:
    """``regimes`` over one workbench."""

    @agent_tool
    def regimes(channel: Channel, window: Window) -> dict[str, Any]:
        """Where the shapes of a channel change, as from rest to work (FLUSS over the whole training part).

        borders: positions that few stretches have their nearest neighbour across; crossed_share below 0.45 is listed,
        below 0.2 is clear. None: one regime, or regimes that take turns. Takes as long as matrix_profile.
        """
        values = workbench.column(channel)
        require(values, 32)
        require_cycles(values, window, 2 * APART)
        return vars(find_regimes(profile_of(values, window).index, window))

    return regimes
