"""Find motifs, stretches that recur almost exactly, and discords, stretches that resemble no other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool

from ape.series.matrix_profile import matrix_profile as profile_of
from ape.series.numerics import separated_minima
from ape.series.windows import count_points
from ape.tools.boundary import Channel, Window, agent_tool, require, require_cycles
from ape.tools.workbench import Workbench

LISTED = 3
QUANTILES = (0.01, 0.1, 0.25, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Recurrence:
    """Result of `recurrence`. Distances are shares of the largest, ``2 sqrt(window)``: 0 same shape, 1 opposite."""

    window: int
    median_distance: float  # of each stretch to its nearest neighbour
    quantiles: dict[str, float]  # of the same distances
    motifs: list[dict[str, float]]  # position, position of the twin, distance
    discords: list[dict[str, float]]  # position, distance, distance divided by the median distance


def recurrence(distance: np.ndarray, index: np.ndarray, window: int) -> Recurrence:
    """Extract motifs and discords from a matrix profile (Yeh et al. 2016): at most three each, not overlapping.

    Parameters
    ----------
    distance : ndarray [N]
        z-normalised Euclidean distance of each stretch to its nearest non-trivial neighbour; NaN across a gap.
    index : ndarray, int [N]
        Start of that neighbour.
    window : int
        Samples in a stretch.

    Raises
    ------
    ValueError
        No stretch has a neighbour.
    """
    relative = np.asarray(distance, dtype=np.float64) / (2 * np.sqrt(window))
    known = np.isfinite(relative) & (index >= 0)  # stumpy returns -1 without a neighbour
    if not known.any():
        msg = f"no stretch of {window} samples can be compared with another; use a shorter window"
        raise ValueError(msg)
    middle = float(np.median(relative[known]))
    discords = islice(separated_minima(np.where(known, -relative, np.inf), window), LISTED)
    motifs = islice(separated_minima(np.where(known, relative, np.inf), window, lambda at: int(index[at])), LISTED)
    return Recurrence(
        window=window,
        median_distance=middle,
        quantiles={f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(relative[known], QUANTILES), strict=True)},
        motifs=[{"position": at, "twin": int(index[at]), "distance": float(relative[at])} for at in motifs],
        discords=[
            {"position": at, "distance": float(relative[at]), "over_median": float(relative[at] / max(middle, 1e-6))}
            for at in discords
        ],
    )


def matrix_profile_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``matrix_profile``."""

    @agent_tool
    def matrix_profile(channel: Channel, window: Window) -> dict[str, Any]:
        """Compare all stretches of ``window`` samples by shape (matrix profile over the whole training part).

        A distance is that of a stretch to its nearest neighbour: 0 is the same shape, 0.7 unrelated, 1 the opposite.
        median_distance: below 0.15 shapes recur almost exactly, above 0.4 they do not. motifs: the closest pairs.
        discords: stretches that resemble no other; over_median above 3 is exceptional. compared: points that are
        looked at; of a long training part, a sample that shows what is usual and what is rare.
        The artefact contains the whole profile.
        """
        values = workbench.column(channel)
        require(values, 32)
        require_cycles(values, window)
        profile = profile_of(values, window, workbench.sample)
        artefact = workbench.artefacts.put_array(np.asarray(profile.distance, dtype=np.float32))
        found = recurrence(profile.distance, profile.index, window)
        timed = {"motifs": workbench.with_times(found.motifs), "discords": workbench.with_times(found.discords)}
        return vars(found) | timed | {"compared": count_points(workbench.sample), "artefact": artefact}

    return matrix_profile
