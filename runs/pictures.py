"""Pictures of a finished run: the series with its scores and its events."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ape.monitor import Event
from ape.monitor.expected import expected
from ape.runs.result import Result
from ape.series import Series
from ape.series.plots import LINE_COLOUR, MOST_CHANNELS, TimeAxis, exact_values, filled, short

BEFORE_COLOUR, AFTER_COLOUR = "#888888", "#c8102e"
EVENT_COLOUR, USUAL_COLOUR = "#c8102e", "#5b8fd0"
MOST_AT_FAULT = 3  # channels in the picture of an event
MOST_RANKS = 10  # events with their ranks in a picture
MARGIN = 64  # samples on both sides of an event; at least its length
COLOURS = 20  # of a picture in a page, which makes its file four times smaller


def draw_event(result: Result, event: Event) -> bytes:
    """Draw an event with its surroundings, and return a WebP picture.

    Above are the channels at fault, with what is usual at such a place; below is the score with its threshold.
    """
    series = result.series
    margin = max(MARGIN, event.end - event.begin)
    axis = TimeAxis.of(series, max(0, event.begin - margin), min(series.length, event.end + margin))
    usual = expected(event, result.context, axis.begin, axis.end)
    drawn = [series.channels.index(name) for name, _ in event.channels[:MOST_AT_FAULT]]
    figure, panels = _panels(7.4, [1.5] * len(drawn) + [0.9], top=0.5, bottom=0.48)
    during = np.zeros(series.length, dtype=bool)
    during[event.begin : event.end] = True
    for axes, channel in zip(panels, drawn, strict=False):
        band = (usual.low[:, channel], usual.high[:, channel])
        axes.fill_between(axis.places, *band, color=USUAL_COLOUR, alpha=0.3, lw=0, label="usual range")
        axes.plot(axis.places, usual.middle[:, channel], color=USUAL_COLOUR, lw=1, ls="--", label="usual value")
        values, missing = exact_values(series, channel), filled(series, channel)
        axis.draw(axes, values, LINE_COLOUR, missing, lw=1.1, label="measured")
        axis.draw(axes, np.where(during & ~missing, values, np.nan), EVENT_COLOUR, lw=1.6, label="in the event")
        _title(axes, series.channels[channel])
    axis.draw(panels[-1], result.score, LINE_COLOUR, lw=1.1)
    panels[-1].axhline(result.threshold.level, color=EVENT_COLOUR, lw=1.2, ls=":", label="threshold")
    panels[-1].set_ylim(bottom=0)
    _title(panels[-1], "score")
    for axes in panels:
        _shade_events(axes, axis, [event])
        axis.shade(axes)
        _plain(axes)
    named = [pair for axes in (panels[0], panels[-1]) for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    figure.legend(*zip(*named, strict=True), loc="upper right", ncols=5, fontsize=8, frameon=False)
    axis.label(panels[-1], 8, ticks=7)
    return small(_png(figure))


def draw_whole(series: Series, channels: Sequence[int], events: Sequence[Event] = (), columns: int = 1) -> bytes:
    """Draw channels of a series on axes of their own, with its events, and return a WebP picture."""
    axis = TimeAxis.of(series)
    rows = -(-len(channels) // columns)
    figure, panels = _panels(11, [0.75] * rows, top=0.3, bottom=0.55, columns=columns, dpi=100 if columns == 1 else 80)
    for axes, channel in zip(panels, channels, strict=False):
        axis.draw(axes, exact_values(series, channel), LINE_COLOUR, filled(series, channel), lw=0.7)
        _title(axes, series.channels[channel])
        _shade_events(axes, axis, events)
        axis.shade(axes)
        _plain(axes)
    for axes in panels[len(channels) :]:
        axes.set_axis_off()
    for axes in panels[: len(channels)][-columns:]:
        axis.label(axes, 8, ticks=8 if columns == 1 else 4)
        axes.tick_params(labelbottom=True)
    return small(_png(figure))


def draw_events(result: Result, events: Sequence[Event] | None = None) -> bytes:
    """Draw the channels at fault over the whole series, above the score with its threshold, and return a PNG.

    The events, by default all, have their ranks.
    """
    return draw_part(result, 0, result.series.length, result.order[:MOST_AT_FAULT], events)


def draw_part(
    result: Result, begin: int, end: int, channels: Sequence[int], events: Sequence[Event] | None = None
) -> bytes:
    """Draw channels in a part of the series, above the score, and return a PNG; see `draw_events`."""
    series, axis = result.series, TimeAxis.of(result.series, begin, end)
    shown = [event for event in events or result.events if event.begin < end and event.end > begin]
    figure, panels = _panels(11, [1.1] * len(channels) + [1.0], top=0.42, bottom=0.55)
    for axes, channel in zip(panels, channels, strict=False):
        axis.draw(axes, exact_values(series, channel), LINE_COLOUR, filled(series, channel), lw=0.7)
        _title(axes, series.channels[channel])
    axis.draw(panels[-1], result.score, LINE_COLOUR, lw=0.9)
    panels[-1].axhline(result.threshold.level, color=EVENT_COLOUR, lw=1.2, ls=":")
    panels[-1].set_ylim(bottom=0)
    panels[-1].set_title("score, with its threshold", fontsize=9, loc="left", fontweight="bold", y=1.0, pad=3)
    for axes in panels:
        _shade_events(axes, axis, shown)
        axis.shade(axes)
        _plain(axes)
    for event in shown[:MOST_RANKS]:
        place = (axis.place(min(max(event.peak, begin), end - 1)), 1.0)
        panels[0].annotate(
            str(result.events.index(event) + 1), place, xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", ha="center", color=EVENT_COLOUR, fontsize=9, fontweight="bold",
        )  # fmt: skip
    axis.label(panels[-1], 8)
    return _png(figure)


def draw_scores(series: Series, scores: pd.DataFrame | None) -> bytes:
    """Draw the series, above its scores before and after post-training if there are any, and return a PNG."""
    rows = 1 if scores is None else 3
    figure = Figure(figsize=(11, 1.5 + 1.5 * rows), dpi=100)
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
    return _png(figure)


def draw_channels(axes: Axes, axis: TimeAxis) -> None:
    """Draw a single channel with its values; several channels below each other, each scaled to its range."""
    series = axis.series
    if series.n_channels == 1:
        axis.draw(axes, exact_values(series, 0), LINE_COLOUR, filled(series, 0))
        return
    count = min(series.n_channels, MOST_CHANNELS)
    for channel in range(count):
        values = series.values[:, channel].astype(float)
        scaled = (values - values.min()) / (np.ptp(values) or 1.0) - channel
        axis.draw(axes, scaled, f"C{channel}", filled(series, channel))
    axes.set_yticks(0.5 - np.arange(count), [short(name) for name in series.channels[:count]])


def small(png: bytes) -> bytes:
    """Return a picture with few colours as WebP without losses, whose file is small."""
    out = io.BytesIO()
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.convert("RGB").save(out, "webp", lossless=True, quality=50)
    return out.getvalue()


def _panels(
    width: float, heights: list[float], *, top: float, bottom: float, columns: int = 1, dpi: int = 110
) -> tuple[Figure, list[Axes]]:
    """Return a figure with rows of panels over one time axis; all sizes in inches."""
    apart, left, right = 0.3, 0.62, 0.12
    tall = top + sum(heights) + apart * (len(heights) - 1) + bottom
    figure = Figure(figsize=(width, tall), dpi=dpi)
    edges = {"left": left / width, "right": 1 - right / width, "top": 1 - top / tall, "bottom": bottom / tall}
    grid = figure.subplots(
        len(heights),
        columns,
        sharex=True,
        squeeze=False,
        height_ratios=heights,
        gridspec_kw={**edges, "hspace": apart * len(heights) / sum(heights), "wspace": 0.14},
    )
    return figure, list(grid.ravel())


def _shade_events(axes: Axes, axis: TimeAxis, events: Sequence[Event]) -> None:
    edges = [(axis.place(event.begin) - 0.5, axis.place(event.end - 1) + 0.5) for event in events]
    where = [(first, last - first) for first, last in edges]
    axes.broken_barh(where, (0, 1), transform=axes.get_xaxis_transform(), color=EVENT_COLOUR, alpha=0.12, lw=0)


def _title(axes: Axes, name: str) -> None:
    axes.set_title(short(name), fontsize=9, loc="left", fontweight="bold", y=1.0, pad=3)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8, length=2)
    axes.locator_params(axis="y", nbins=4)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()
