"""Pictures of a report: differences of pairs with their intervals, means, and ranks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.tools.render import png

ROW, TITLE = 0.24, 0.5  # inches
MARKERS = "osD^vP*Xph<>"
BETTER, WORSE, OPEN = "#1b7837", "#b2182b", "#5b6770"


def picture_of_differences(sets: Sequence[tuple[str, pd.DataFrame]]) -> bytes:
    """Draw mean differences of average precision with their intervals, a panel for each data set, as PNG.

    Parameters
    ----------
    sets : sequence of (str, DataFrame)
        Title, and columns mean, low and high with a row for each pair. Green and red mark intervals without zero.
    """
    heights = [ROW * len(table) for _, table in sets]
    total = sum(heights) + TITLE * (len(sets) + 1)
    figure = Figure(figsize=(9, total), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    most = max(np.nanmax(table[["mean", "low", "high"]].abs().to_numpy()) for _, table in sets) or 1.0
    top = total
    for (title, table), height in zip(sets, heights, strict=True):
        top -= TITLE + height
        axes = figure.add_axes((0.55, (top + 0.1) / total, 0.42, height / total))
        axes.axvline(0, color="#b9c6d2", linewidth=1, zorder=0)
        for at, (_, row) in enumerate(table.iterrows()):
            colour = BETTER if row["low"] > 0 else WORSE if row["high"] < 0 else OPEN
            axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=2)
            axes.plot(row["mean"], at, "o", color=colour, markersize=5)
        axes.set_yticks(range(len(table)), [str(name) for name in table.index], fontsize=8)
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xlim(-1.1 * most, 1.1 * most)
        axes.tick_params(axis="x", labelsize=8)
        axes.set_title(title, fontsize=9, loc="left")
    figure.axes[-1].set_xlabel("difference of average precision, 95 % interval", fontsize=8)
    return png(figure)


def picture_of_means(ap: pd.DataFrame) -> bytes:
    """Draw the average precision of systems, a line for each data set, as PNG.

    Parameters
    ----------
    ap : DataFrame [sets, systems]
    """
    height = 2 * ROW * len(ap) + TITLE
    figure = Figure(figsize=(9, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.2, TITLE / height, 0.5, 1 - 1.2 * TITLE / height))
    for system, marker in zip(ap, itertools.cycle(MARKERS)):
        axes.plot(ap[system], range(len(ap)), marker, markersize=6, alpha=0.8, label=str(system))
    axes.set_yticks(range(len(ap)), [str(name) for name in ap.index], fontsize=8)
    axes.set_ylim(len(ap) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.grid(axis="y", color="#e3e8ed")
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel("average precision", fontsize=8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), fontsize=8, frameon=False)
    return png(figure)


def rank_diagram(rows: pd.DataFrame) -> bytes:
    """Return a PNG of the critical difference diagram (Demsar 2006) with Nemenyi's test over recordings."""
    import scikit_posthocs

    ap = rows.groupby(["recording", "system"])["ap"].mean().unstack("system").dropna(axis=1)
    figure = Figure(figsize=(11, 1.5 + 0.22 * ap.shape[1]), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.9))
    if ap.shape[0] > 1 and ap.shape[1] > 2:
        ranks = ap.rank(axis=1, ascending=False).mean()
        p_values = scikit_posthocs.posthoc_nemenyi_friedman(ap.reset_index(drop=True))
        scikit_posthocs.critical_difference_diagram(ranks, p_values, ax=axes)
    else:
        axes.text(0.5, 0.5, "too few recordings or systems for ranks", ha="center")
        axes.set_axis_off()
    return png(figure)
