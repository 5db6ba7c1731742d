"""Similarity search: where else a channel looks like a given stretch."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from langchain_core.tools import BaseTool
from pydantic import Field

from ape.series.matrix_profile import distance_profile
from ape.series.numerics import separated_minima
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LISTED = 8
LEAST = 4  # samples
ALIKE = 0.35  # of the largest distance

Begin = Annotated[int, Field(ge=0, description="first time step of the stretch")]
End = Annotated[int, Field(ge=1, description="time step after its last one")]


def find_similar(values: np.ndarray, begin: int, end: int) -> tuple[list[dict[str, float]], int]:
    """Stretches of ``values`` [n] that look most like ``values[begin:end]``, best first, and how many are alike.

    Distances are z-normalised, as shares of the largest one (MASS, Mueen et al. 2017); none overlaps another.
    """
    length = end - begin
    distance = distance_profile(values[begin:end], values) / (2 * np.sqrt(length))
    distance[max(0, begin - length + 1) : end] = np.inf
    found: list[dict[str, float]] = []
    for at in separated_minima(distance, length):
        if distance[at] >= ALIKE and len(found) >= LISTED:
            break
        found.append({"position": at, "distance": float(distance[at])})
    return found[:LISTED], sum(each["distance"] < ALIKE for each in found)


def similar_tool(workbench: Workbench) -> BaseTool:
    """``find_similar`` over one workbench."""

    @agent_tool
    def find_similar_stretches(channel: Channel, begin: Begin, end: End) -> dict[str, Any]:
        """Where else a channel has the shape of the time steps from begin to end, whatever its level and size there.

        similar: the closest other stretches; distance 0 is the same shape, 0.7 unrelated. alike: how many are closer
        than 0.35. A shape that recurs is part of normal life here.
        """
        values = workbench.column(channel)
        require(values, 32)
        if end > len(values) or not LEAST <= end - begin <= len(values) // 3:
            msg = f"cannot look for {begin} to {end}; give {LEAST} to {len(values) // 3} time steps up to {len(values)}"
            raise ValueError(msg)
        if np.ptp(values[begin:end]) == 0:
            msg = f"the channel stands still from {begin} to {end}: a flat stretch has no shape to look for"
            raise ValueError(msg)
        similar, alike = find_similar(values, begin, end)
        return {"similar": similar, "alike": alike}

    return find_similar_stretches
