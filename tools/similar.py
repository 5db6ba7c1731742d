"""Similarity search: find the stretches of a channel that look like a given one."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from langchain_core.tools import BaseTool
from pydantic import Field

from ape.series.matrix_profile import distance_profile
from ape.series.numerics import separated_minima
from ape.series.windows import Segments
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LISTED = 8
LEAST = 4  # samples
ALIKE = 0.35  # share of the largest distance

Begin = Annotated[int, Field(ge=0, description="first time step of the stretch")]
End = Annotated[int, Field(ge=1, description="time step after the last one of the stretch")]


def find_similar(
    values: np.ndarray, begin: int, end: int, segments: Segments | None = None
) -> tuple[list[dict[str, float]], int]:
    """Find the stretches of ``values`` [n] that look most like ``values[begin:end]``, and count those that are alike.

    The stretches do not overlap, and lie within one of the ``segments``; the closest comes first. Distances are
    z-normalised and shares of the largest one (MASS, Mueen et al. 2017).
    """
    length = end - begin
    distance = distance_profile(values[begin:end], values, segments) / (2 * np.sqrt(length))
    distance[max(0, begin - length + 1) : end] = np.inf
    stretches: list[dict[str, float]] = []
    for at in separated_minima(distance, length):
        if distance[at] >= ALIKE and len(stretches) >= LISTED:
            break
        stretches.append({"position": at, "distance": float(distance[at])})
    return stretches[:LISTED], sum(stretch["distance"] < ALIKE for stretch in stretches)


def similar_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``find_similar_stretches``."""

    @agent_tool
    def find_similar_stretches(channel: Channel, begin: Begin, end: End) -> dict[str, Any]:
        """Find where else a channel has the shape of the time steps from begin to end, at any level and amplitude.

        similar: the closest other stretches; distance 0 is the same shape, 0.7 unrelated. alike: how many are closer
        than 0.35. A shape that recurs is normal in this channel.
        """
        values = workbench.column(channel)
        require(values, 32)
        if end > len(values) or not LEAST <= end - begin <= len(values) // 3:
            msg = f"cannot search for {begin} to {end}; use {LEAST} to {len(values) // 3} steps up to {len(values)}"
            raise ValueError(msg)
        if np.ptp(values[begin:end]) == 0:
            msg = f"the channel is constant from {begin} to {end}; use a stretch that has a shape"
            raise ValueError(msg)
        if not any(first <= begin and end <= last for first, last in workbench.segments):
            listed = ", ".join(f"{first} to {last}" for first, last in workbench.segments[:LISTED])
            msg = f"there is a gap from {begin} to {end}; stretches without a gap: {listed}"
            raise ValueError(msg)
        similar, alike = find_similar(values, begin, end, workbench.segments)
        return {**workbench.span(begin, end), "similar": workbench.with_times(similar), "alike": alike}

    return find_similar_stretches
