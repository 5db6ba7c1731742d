"""``ape check``: show how a file is read, without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from ape.cli.options import load_series
from ape.core.errors import InputError
from ape.series import Series
from ape.series.reading.report import reading_lines

MOST_CHANNELS = 8
MOST_POINTS = 4_000  # of a channel in the plot


def check(arguments: argparse.Namespace) -> None:
    """Print how a file is read; draw it if ``--plot`` names a file."""
    plot = None if arguments.plot is None else Path(arguments.plot)
    if plot is not None and plot.suffix.lower() != ".png":
        raise InputError("the plot is a PNG file", str(plot), "give a name that ends with .png")
    series = load_series(arguments)
    for line in reading_lines(series):
        print(line)  # noqa: T201
    if plot is not None:
        draw(series, plot)
        print(f"plot: {plot}")  # noqa: T201


def draw(series: Series, path: Path) -> None:
    """Draw each channel over its times, with the training part and the long gaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = min(series.n_channels, MOST_CHANNELS)
    figure = Figure(figsize=(9, 1 + 1.1 * count), dpi=90)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    where = range(series.length) if series.clock is None else series.clock
    exact = series.exact
    for channel, axes in enumerate(panels):
        for begin, end in series.segments:
            step = max(1, (end - begin) // MOST_POINTS)
            axes.plot(where[begin:end:step], exact[begin:end:step, channel], color="#1f3b73", lw=0.7)
        if series.train_end is not None:
            axes.axvspan(where[0], where[series.train_end - 1], color="#3a7d44", alpha=0.08, lw=0)
        axes.set_ylabel(series.channels[channel][:24], fontsize=7)
        axes.tick_params(labelsize=7)
        axes.margins(x=0)
    panels[-1].set_xlabel("position" if series.clock is None else f"time {series.zone or ''}".strip(), fontsize=7)
    figure.tight_layout(pad=0.6)
    canvas.print_png(str(path))
