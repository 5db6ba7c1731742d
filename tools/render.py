"""Draw pictures of a channel in which a position maps exactly to a time step.

All pictures have the same width and the same horizontal extent of the axes. The same input gives the same bytes.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from langchain_core.tools import BaseTool
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pydantic import Field

from ape.series.reading.grid import step_name
from ape.series.reading.report import printable
from ape.series.windows import Segments, clip
from ape.tools.boundary import Channel, Period, agent_tool, require_cycles
from ape.tools.moments import position_of
from ape.tools.plain import Level
from ape.tools.workbench import Workbench

WIDTH, HEIGHT, DPI = 1024, 512, 100  # multiples of 32, the patch size of vision models
LEFT, BOTTOM, ACROSS, UP = 0.07, 0.08, 0.91, 0.88  # axes rectangle, as shares of the picture
COLUMNS = int(WIDTH * ACROSS)
LINE_COLOUR, GAP_COLOUR = "#1f3b73", "#d5d5d5"
MOST_CYCLES = 40
CYCLE_OPACITY = 0.35
ABOVE = 3  # drawing order: above the frame, which would hide the first and the last column
MARGIN = 0.05  # share of the range, above and below
LEAST_ZOOM = 8  # samples
WHOLE = ((0, sys.maxsize),)  # segments of a series without gaps
TIME_TICKS, TIME_SIZE = 4, 7  # most steps between times, and points: they fit beside each other

TimeOf = Callable[[int], str | None]  # time of a position as text; None without times

Moment = Annotated[str, Field(max_length=60)]
Begin = Annotated[
    Annotated[int, Field(ge=0)] | Moment, Field(description="first time step to show, or its time: 2024-01-31 08:00")
]
End = Annotated[
    Annotated[int, Field(ge=1)] | Moment,
    Field(description="time step after the last one to show; or the last time, or the last day: 2024-01-31"),
]


def without_times(position: int) -> None:
    """Return no time: the series has none."""


def draw_stretch(
    values: np.ndarray,
    begin: int,
    end: int,
    segments: Segments = WHOLE,
    time_of: TimeOf = without_times,
    title: str = "",
) -> bytes:
    """Draw ``values[begin:end]`` of a channel [n] as a line that is interrupted between segments, and return a PNG.

    The ``title`` is written above the vertical axis, see `titled`.
    """
    stretch = values[begin:end]
    figure, axes = _canvas(begin, end, y_range(stretch), title)
    label_times(axes, begin, end, time_of)
    draw_line(axes, stretch, begin, segments, 1.0)
    return png(figure)


def draw_line(axes: Axes, values: np.ndarray, begin: int, segments: Segments, width: float) -> None:
    """Draw values [n] from position ``begin`` on, as a line that is interrupted between segments, where it is grey."""
    shown = clip(segments, begin, begin + len(values))
    for first, last in shown:
        part = values[first - begin : last - begin]
        axes.plot(*thinned(part, first), color=LINE_COLOUR, lw=width, zorder=ABOVE)
    for (_, last), (first, _) in pairwise(shown):
        axes.axvspan(last - 1, first, color=GAP_COLOUR, lw=1)


def label_times(axes: Axes, begin: int, end: int, time_of: TimeOf) -> None:
    """Write below each labelled position its time, if the series has times."""
    if time_of(begin) is None:
        return
    ticks = [int(tick) for tick in MaxNLocator(TIME_TICKS, integer=True).tick_values(begin, end) if begin <= tick < end]
    drawn = axes.set_xticks(ticks, [f"{tick}\n{time_of(tick)}" for tick in ticks], fontsize=TIME_SIZE)
    for tick, label in zip(ticks, (each.label1 for each in drawn), strict=True):  # those at the edges would be cut
        share = (tick - begin) / (end - begin)
        label.set_horizontalalignment("left" if share < 0.1 else "right" if share > 0.9 else "center")


def draw_cycles(values: np.ndarray, period: int, title: str = "") -> bytes:
    """Draw up to 40 evenly chosen cycles of a channel [n] over each other, and return a PNG; see `draw_stretch`."""
    count = len(values) // period
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_CYCLES)).round().astype(int))
    figure, axes = _canvas(0, period, y_range(values), title)
    for cycle in values[: count * period].reshape(count, period)[chosen]:
        axes.plot(*thinned(cycle, 0), color=LINE_COLOUR, lw=0.8, alpha=CYCLE_OPACITY, zorder=ABOVE)
    return png(figure)


def y_range(values: np.ndarray) -> tuple[float, float]:
    """Limits of the vertical axis that ``values`` are drawn with. Some may be NaN."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = MARGIN * (high - low) or 0.5 * abs(high) or 1.0
    return low - margin, high + margin


def titled(title: str, offset: float = 0.0) -> str:
    """Return a title as plain text, with the ``offset`` that has to be added to the labels of the axis."""
    text = printable(title).replace("$", r"\$")
    return f"{text} ({offset:+})" if offset else text


def blank(height: int = HEIGHT) -> Figure:
    """Return an empty picture, ``height`` pixels high."""
    # no pyplot: its global state is not thread-safe
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _canvas(begin: float, end: float, limits: tuple[float, float], title: str = "") -> tuple[Figure, Axes]:
    figure = blank()
    axes = figure.add_axes((LEFT, BOTTOM, ACROSS, UP))
    axes.set_xlim(begin, end)
    axes.set_ylim(*limits)
    axes.set_title(title, fontsize=8, loc="left", pad=2, color="#555555")
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors="#555555")
    axes.ticklabel_format(axis="x", style="plain", useOffset=False)
    return figure, axes


def thinned(values: np.ndarray, begin: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and values to draw: all of a short stretch, else the extremes in each pixel column."""
    count = len(values)
    if count <= 2 * COLUMNS:
        return np.arange(begin, begin + count), values
    edges = np.arange(COLUMNS) * count // COLUMNS
    extremes = np.stack([np.fmin.reduceat(values, edges), np.fmax.reduceat(values, edges)], axis=1)
    middles = begin + (np.append(edges[1:], count) + edges - 1) / 2
    return np.repeat(middles, 2), extremes.ravel()


def png(figure: Figure) -> bytes:
    """Return the figure as PNG, with the same bytes for the same figure."""
    out = io.BytesIO()
    figure.canvas.print_png(out, metadata={"Software": None})  # type: ignore[attr-defined]
    return out.getvalue()


def render_tools(workbench: Workbench) -> list[BaseTool]:
    """Create the tools ``render_overview``, ``render_cycles`` and ``render_zoom``."""

    def stored(picture: bytes, begin: int, end: int, shown: np.ndarray, offset: float, **rest: Any) -> dict[str, Any]:
        artefact = workbench.artefacts.put_bytes(picture, ".png")
        low, high = y_range(shown)
        limits = [Level.of(limit + offset, 0.1 * (high - low)) for limit in (low, high)]
        return {"artefact": artefact, "begin": begin, "end": end, **rest, "y_range": limits}

    @agent_tool
    def render_overview(channel: Channel) -> dict[str, Any]:
        """Draw the whole training part of a channel. The horizontal axis runs from time step begin to end.

        In a long series, each pixel column shows the span from the lowest to the highest value. Look for steps, drifts,
        changing amplitude, and single spikes. A number after the name, such as +20000000.0, has to be added to the
        labels of the vertical axis.
        """
        values, offset = workbench.column(channel), workbench.offset(channel)
        picture = draw_stretch(values, 0, len(values), workbench.segments, workbench.time, titled(channel, offset))
        return stored(picture, 0, len(values), values, offset, **workbench.span(0, len(values)))

    @agent_tool
    def render_cycles(channel: Channel, period: Period) -> dict[str, Any]:
        """Draw up to 40 cycles of a channel over each other. The horizontal axis is the phase, 0 to period.

        A narrow bundle means that cycles recur in shape and time. A bundle smeared sideways means that the phase
        wanders, or that the period is wrong.
        """
        _, values = workbench.stretch(channel)
        require_cycles(values, period)
        offset = workbench.offset(channel)
        step = workbench.series.step
        long = f"{period} samples" + (f" ({step_name(period * step)})" if step else "")
        picture = draw_cycles(values, period, titled(f"{channel}, cycles of {long}", offset))
        return stored(picture, 0, period, values, offset, period=period)

    @agent_tool
    def render_zoom(channel: Channel, begin: Begin, end: End) -> dict[str, Any]:
        """Draw the time steps from begin to end of a channel, to see the shape of single cycles and edges."""
        values = workbench.column(channel)
        begin, end = position_of(workbench, begin), position_of(workbench, end, ends=True)
        if end > len(values) or end - begin < LEAST_ZOOM:
            msg = f"cannot show {begin} to {end}; request at least {LEAST_ZOOM} time steps between 0 and {len(values)}"
            raise ValueError(msg)
        offset = workbench.offset(channel)
        picture = draw_stretch(values, begin, end, workbench.segments, workbench.time, titled(channel, offset))
        return stored(picture, begin, end, values[begin:end], offset, **workbench.span(begin, end))

    return [render_overview, render_cycles, render_zoom]
