"""Pictures of a finished run: the series with its scores."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ape.series import Series
from ape.series.plots import LINE_COLOUR, MOST_CHANNELS, TimeAxis, filled, short

BEFORE_COLOUR, AFTER_COLOUR = "#888888", "#c8102e"


def draw_scores(series: Series, scores: pd.DataFrame | None) -> bytes:
    """Draw the series, above its scores before and after post-training if there are any, and return a PNG."""
    rows = 1 if scores is None else 3
    figure = Figure(figsize=(11, 1.5 + 1.5 * rows), dpi=100)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[2, 1, 1][:rows])[:, 0]
    axis = TimeAxis.of(series)
    draw_channels(panels[0], axis)
    if scores is not None:
        axis.draw(panels[1], scores["before"].to_numpy()[series.point_rows], BEFORE_COLOUR)
        axis.draw(panels[2], scores["after"].to_numpy()[series.point_rows], AFTER_COLOUR)
    for axes, title in zip(panels, ("series", "score before", "score after"), strict=False):
        axes.set_ylabel(title, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axis.shade(axes)
    axis.label(panels[-1], 8)
    figure.align_ylabels()
    figure.tight_layout(pad=0.8)
    return _png(canvas)


def draw_channels(axes: Axes, axis: TimeAxis) -> None:
    """Draw a single channel with its values; several channels below each other, each scaled to its range."""
    series = axis.series
    if series.n_channels == 1:
        axis.draw(axes, series.exact[:, 0], LINE_COLOUR, filled(series, 0))
        return
    count = min(series.n_channels, MOST_CHANNELS)
    for channel in range(count):
        values = series.values[:, channel].astype(float)
        scaled = (values - values.min()) / (np.ptp(values) or 1.0) - channel
        axis.draw(axes, scaled, f"C{channel}", filled(series, channel))
    axes.set_yticks(0.5 - np.arange(count), [short(name) for name in series.channels[:count]])


def _png(canvas: FigureCanvasAgg) -> bytes:
    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()
