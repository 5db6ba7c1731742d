"""Motifs and discords: stretches that recur almost exactly, and stretches that resemble no other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool

from ape.series.matrix_profile import matrix_profile as profile_of
from ape.series.numerics import separated_minima
from ape.tools.boundary import Channel, Window, agent_tool, require, require_cycles
from ape.tools.workbench import Workbench

LISTED = 3
QUANTILES = (0.01, 0.1, 0.25, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True)
class Recurrence:
    """What `recurrence` finds; distances as shares of the largest, ``2 sqrt(window)``: 0 same shape, 1 opposite."""

    window: int
    median_distance: float  # of every stretch to its nearest other one
    quantiles: dict[str, float]  # of the same
    motifs: list[dict[str, float]]  # position, position of its twin, distance
    discords: list[dict[str, float]]  # position, distance, distance over the median one


def recurrence(distance: np.ndarray, index: np.ndarray, window: int, listed: int = LISTED) -> Recurrence:
    """Read motifs and discords out of a matrix profile (Yeh et al. 2016).

    Parameters
    ----------
    distance : ndarray [N]
        z-normalised Euclidean distance of each stretch to its nearest non-trivial neighbour.
    index : ndarray, int [N]
        Start of that neighbour.
    window : int
        Samples in a stretch.
    listed : int
        At most so many motifs and discords, none overlapping another of its kind.
    """
    relative = np.asarray(distance, dtype=np.float64) / (2 * np.sqrt(window))
    known = np.isfinite(relative) & (index >= 0)  # stumpy gives -1 where there is no neighbour
    if not known.any():
        msg = f"no stretch of {window} samples can be compared with another; give a shorter window"
        raise ValueError(msg)
    middle = float(np.median(relative[known]))
    discords = islice(separated_minima(np.where(known, -relative, np.inf), window), listed)
    motifs = islice(separated_minima(np.where(known, relative, np.inf), window, lambda at: int(index[at])), listed)
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
    """``matrix_profile`` over one workbench."""

    @agent_tool
    def matrix_profile(channel: Channel, window: Window) -> dict[str, Any]:
        """Compare all stretches of ``window`` samples by shape (matrix profile over the whole training part).

        Distances of each stretch to its nearest other: 0 is the same shape, 0.7 unrelated, 1 the opposite.
        median_distance: below 0.15 shapes recur almost exactly, above 0.4 they do not. motifs: closest pairs.
        discords: stretches that resemble no other; over_median above 3 stands out.
        The artefact holds the whole profile.
        """
        values = workbench.column(channel)
        require(values, 32)
        require_cycles(values, window)
        profile = profile_of(values, window)
        found = recurrence(profile.distance, profile.index, window)
        kept = workbench.artefacts.put_array(np.asarray(profile.distance, dtype=np.float32))
        return vars(found) | {"artefact": kept}

    return matrix_profile
