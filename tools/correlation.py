"""Measure how strongly channels move together."""

from __future__ import annotations

from typing import Any

import numpy as np
from langchain_core.tools import BaseTool

from ape.series.groups import correlations
from ape.tools.boundary import agent_tool
from ape.tools.workbench import Workbench

LISTED = 8
LONGEST_NAME = 40


def correlation_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``correlation``."""

    @agent_tool
    def correlation() -> dict[str, Any]:
        """Measure how strongly all channels move together.

        mean_absolute: mean absolute correlation over all pairs; null with a single channel. strongest: the pairs with
        the largest absolute correlations.
        """
        names = workbench.series.channels
        first, second = np.triu_indices(len(names), k=1)
        pairs = correlations(workbench.series.values[workbench.points])[first, second]
        known = np.flatnonzero(np.isfinite(pairs))
        best = known[np.argsort(-np.abs(pairs[known]), kind="stable")][:LISTED]
        return {
            "mean_absolute": float(np.abs(pairs[known]).mean()) if len(known) else None,
            "strongest": [
                {"channels": [names[i][:LONGEST_NAME] for i in (first[k], second[k])], "correlation": pairs[k]}
                for k in best
            ],
        }

    return correlation
