"""Measure how strongly channels move together."""

from __future__ import annotations

from typing import Any

import numpy as np
from langchain_core.tools import BaseTool
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ape.tools.boundary import agent_tool
from ape.tools.workbench import Workbench

MOST_POINTS = 20_000  # longer series are sampled at evenly spaced rows
LISTED = 8
LONGEST_NAME = 40
TOGETHER = 0.7  # mean absolute correlation of channels that go together


def correlations(values: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of every pair of columns of ``values`` [n, C], [C, C]; NaN if one is constant."""
    rows = np.asarray(values[:: -(-len(values) // MOST_POINTS)], dtype=np.float64)
    centred = rows - rows.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    product = np.outer(length, length)
    return np.divide(centred.T @ centred, product, out=np.full(product.shape, np.nan), where=product > 0)


def channel_groups(values: np.ndarray) -> list[list[int]]:
    """Group the columns of ``values`` [n, C] that go together, by average linkage of their absolute correlations.

    Returns
    -------
    list of list of int
        Columns of each group, the one that correlates most with the others first. The largest group is first; groups
        of one size are ordered by the spread of their first column relative to its largest value. Constant columns
        are left out.
    """
    matrix = np.abs(np.nan_to_num(correlations(values)))
    varies = np.flatnonzero(matrix.diagonal() > 0)
    if not len(varies):
        return []
    close = np.minimum(matrix[np.ix_(varies, varies)], 1.0)
    label = np.ones(1, dtype=int)
    if len(varies) > 1:
        distance = squareform(1 - close, checks=False)
        label = fcluster(linkage(distance, "average"), 1 - TOGETHER, "distance")
    spread = values.std(axis=0) / np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    groups = []
    for each in np.unique(label):
        members = np.flatnonzero(label == each)
        order = np.argsort(-close[np.ix_(members, members)].sum(axis=1), kind="stable")
        groups.append([int(column) for column in varies[members[order]]])
    return sorted(groups, key=lambda group: (-len(group), -spread[group[0]]))


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
