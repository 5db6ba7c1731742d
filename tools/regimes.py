"""Find borders between regimes, where the shapes of a channel change for a long time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool
from scipy.ndimage import minimum_filter1d

from ape.series.coverage import MOST
from ape.series.matrix_profile import arc_curve
from ape.series.matrix_profile import matrix_profile as profile_of
from ape.tools.boundary import Channel, Window, agent_tool, require, require_cycles
from ape.tools.workbench import Workbench

LISTED = 4
CLEAR = 0.45  # arcs that cross a border, as a share of the number expected by chance
APART = 5  # windows between two borders
LEAST = 8  # averages in a window


@dataclass(frozen=True)
class Regimes:
    """Result of `find_regimes`: borders, clearest first, with the share of arcs that cross each, 0 to 1."""

    borders: list[dict[str, float]]
    lowest_share: float


def find_regimes(index: np.ndarray, window: int) -> Regimes:
    """Find borders by FLUSS (Gharghabi et al. 2017) from the neighbours' positions ``index`` [N] of a matrix profile.

    An arc leads from each stretch to its nearest neighbour. Few arcs cross the border between two regimes.
    """
    curve = arc_curve(index, window)
    width = 2 * APART * window + 1
    lows = np.flatnonzero((curve == minimum_filter1d(curve, width)) & (curve < CLEAR))
    lows = lows[np.argsort(curve[lows], kind="stable")][:LISTED]
    return Regimes([{"position": int(at), "crossed_share": float(curve[at])} for at in lows], float(curve.min()))


def regimes_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``regimes``."""

    @agent_tool
    def regimes(channel: Channel, window: Window) -> dict[str, Any]:
        """Find where the shapes of a channel change, as from idle to active (FLUSS over the whole training part).

        borders: positions that few links between a stretch and its nearest neighbour cross; a crossed_share below 0.45
        is listed, below 0.2 is clear. No borders: one regime, or regimes that alternate. Points of a long training
        part are averaged, so that short windows do not fit. Takes as long as matrix_profile.
        """
        begin, values = workbench.stretch(channel)
        require(values, 32)
        require_cycles(values, window, 2 * APART)
        factor = -(-len(values) // MOST)
        if window < LEAST * factor:
            msg = f"{len(values)} points are averaged over {factor} each: give a window of {LEAST * factor} or more"
            raise ValueError(msg)
        averages = values[: len(values) // factor * factor].reshape(-1, factor).mean(axis=1)
        found = find_regimes(profile_of(averages, window // factor).index, window // factor)
        borders = [border | {"position": int(border["position"]) * factor + begin} for border in found.borders]
        return vars(replace(found, borders=workbench.with_times(borders)))

    return regimes
