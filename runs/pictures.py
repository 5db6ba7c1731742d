"""Pictures of a finished run: the series with its scores, and the contrastive space."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.series import Series

COLUMNS = 1100  # pixel columns of a plot
MAX_CHANNELS = 8
SERIES_COLOUR, BEFORE_COLOUR, AFTER_COLOUR, TRAINING_COLOUR = "#1f3b73", "#888888", "#c8102e", "#3a7d44"
BRANCH_COLOURS = ("#1f3b73", "#3a7d44", "#c8102e")


def draw_scores(series: Series, scores: pd.DataFrame | None) -> bytes:
    """Draw the series, above its scores before and after post-training if there are any, and return a PNG."""
    rows = 1 if scores is None else 3
    figure = Figure(figsize=(11, 1.5 + 1.5 * rows), dpi=100)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[2, 1, 1][:rows])[:, 0]
    _draw_channels(panels[0], series)
    if scores is not None:
        _draw_line(panels[1], scores["before"].to_numpy()[series.point_rows], series, BEFORE_COLOUR)
        _draw_line(panels[2], scores["after"].to_numpy()[series.point_rows], series, AFTER_COLOUR)
    for axes, title in zip(panels, ("series", "score before", "score after"), strict=False):
        axes.set_ylabel(title, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.margins(x=0)
        if series.train_end is not None:
            axes.axvspan(0, series.train_end, color=TRAINING_COLOUR, alpha=0.08, lw=0)
    panels[-1].set_xlabel(
        "position (shaded: training part)" if series.train_end is not None else "position", fontsize=9
    )
    figure.align_ylabels()
    figure.tight_layout(pad=0.8)
    return _png(canvas)


def draw_latent_space(picture: dict[str, Any]) -> bytes:
    """Draw the contrastive vectors before and after post-training, one panel each, and return a PNG.

    Parameters
    ----------
    picture : dict
        The entry ``picture`` of the post-training report.
    """
    figure = Figure(figsize=(11, 4.6), dpi=100)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(picture))
    for axes, (when, space) in zip(panels, picture.items(), strict=True):
        for (branch, points), colour in zip(space["branches"].items(), BRANCH_COLOURS, strict=True):
            axes.scatter(points["x"], points["y"], s=14, color=colour, alpha=0.6, lw=0, label=branch)
        axes.set_title(f"{when} post-training", fontsize=10)
        axes.set_xlabel(f"two main axes, {space['variance']:.0%} of the variance", fontsize=9)
        axes.set_aspect("equal", adjustable="datalim")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    panels[0].legend(fontsize=8)
    figure.tight_layout(pad=0.8)
    return _png(canvas)


def _draw_channels(axes: Axes, series: Series) -> None:
    """Draw a single channel with its values; several channels below each other, each scaled to its range."""
    if series.n_channels == 1:
        _draw_line(axes, series.values[:, 0].astype(float), series, SERIES_COLOUR)
        return
    for channel in range(min(series.n_channels, MAX_CHANNELS)):
        values = series.values[:, channel].astype(float)
        _draw_line(axes, (values - values.mean()) / (np.ptp(values) + 1e-12) - channel, series, f"C{channel}")


def _draw_line(axes: Axes, values: np.ndarray, series: Series, colour: str) -> None:
    """Draw a line [T], interrupted at gaps and where it is NaN.

    A long one goes through the extremes of each pixel column, so that no peak is lost.
    """
    block = len(values) // COLUMNS
    for begin, end in series.segments:
        at, line = np.arange(begin, end), values[begin:end]
        if block >= 2:
            edges = np.arange(0, len(line), block)
            at = np.repeat(begin + edges, 2)
            line = np.column_stack([np.fmin.reduceat(line, edges), np.fmax.reduceat(line, edges)]).ravel()
        axes.plot(at, line, color=colour, lw=0.8)


def _png(canvas: FigureCanvasAgg) -> bytes:
    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()
