"""Draw pictures of panels with a common time axis: several channels, or a channel with a measurement of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from langchain_core.tools import BaseTool
from pydantic import Field
from scipy import signal

from ape.series.matrix_profile import matrix_profile
from ape.series.windows import Segments
from ape.tools.boundary import Channel, Period, Window, agent_tool, require, require_cycles
from ape.tools.render import (
    ACROSS,
    LEFT,
    WHOLE,
    TimeOf,
    blank,
    draw_line,
    label_times,
    png,
    titled,
    without_times,
    y_range,
)
from ape.tools.stl import decompose
from ape.tools.workbench import Workbench

PANEL = 192  # height of a panel in pixels, a multiple of 32
MARGINS = 22, 12  # pixels: below all panels, and between them
MOST_CHANNELS = 4
SHADED = 256  # rows of a spectrogram
LEAST_SEGMENT, SEGMENTS = 32, 64  # samples, and the number of segments side by side in a spectrogram

Channels = Annotated[list[str], Field(min_length=1, max_length=MOST_CHANNELS, description="names, top to bottom")]


def draw_panels(
    rows: Sequence[tuple[str, np.ndarray]], begin: int, segments: Segments = WHOLE, time_of: TimeOf = without_times
) -> bytes:
    """Draw lines [n] in panels under each other, each with its name and range, and return a PNG.

    Lines are interrupted between segments. The time axis starts at ``begin`` and has the same place as in all pictures,
    see `ape.tools.render`.
    """
    end = begin + len(rows[0][1])
    figure = blank(len(rows) * PANEL)
    for place, (name, values) in enumerate(rows):
        axes = figure.add_axes(_place(place, len(rows)))
        axes.set_xlim(begin, end)
        axes.set_ylim(*y_range(values))
        draw_line(axes, values, begin, segments, 0.8)
        axes.set_title(name, fontsize=8, loc="left", pad=2, color="#555555")
        axes.grid(color="#dddddd", lw=0.6)
        axes.tick_params(labelsize=7, colors="#555555", labelbottom=place == len(rows) - 1)
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
        label_times(axes, begin, end, time_of)
    return png(figure)


def draw_spectrogram(values: np.ndarray, begin: int = 0, time_of: TimeOf = without_times, title: str = "") -> bytes:
    """Draw the power of ``values`` [n], which start at ``begin``, by time and period, and return a PNG.

    Dark means much power. The period axis is logarithmic, with short periods at the top.
    """
    segment = int(np.clip(len(values) // SEGMENTS * 2, LEAST_SEGMENT, len(values)))
    frequency, _, power = signal.spectrogram(signal.detrend(values), nperseg=segment, noverlap=segment // 2)
    shades = np.log10(power[1:] + 1e-6 * power[1:].max() + 1e-300)
    figure = blank()
    axes = figure.add_axes((LEFT, 0.08, ACROSS, 0.88))
    rows = np.geomspace(1, len(shades), SHADED).round().astype(int) - 1
    axes.set_title(title, fontsize=8, loc="left", pad=2, color="#555555")
    axes.imshow(
        shades[rows], aspect="auto", origin="lower", cmap="Greys", extent=(begin, begin + len(values), 0, SHADED)
    )
    label_times(axes, begin, begin + len(values), time_of)
    at = np.linspace(0, SHADED - 1, 8).astype(int)
    axes.set_yticks(at + 0.5, [f"{1 / frequency[1 + rows[k]]:.3g}" for k in at])
    axes.tick_params(labelsize=8, colors="#555555")
    return png(figure)


def _place(place: int, count: int) -> tuple[float, float, float, float]:
    below, between = (pixels / (count * PANEL) for pixels in MARGINS)
    each = (1 - below) / count
    return LEFT, 1 - (place + 1) * each + between, ACROSS, each - 3 * between


def panel_tools(workbench: Workbench) -> list[BaseTool]:
    """Create the tools ``render_channels``, ``render_stl``, ``render_matrix_profile`` and ``render_spectrogram``."""

    def stored(picture: bytes, begin: int, end: int) -> dict[str, Any]:
        artefact = workbench.artefacts.put_bytes(picture, ".png")
        return {"artefact": artefact, "begin": begin, "end": end, **workbench.span(begin, end)}

    @agent_tool
    def render_channels(channels: Channels) -> dict[str, Any]:
        """Draw up to four channels under each other, over the whole training part.

        Check whether they move together.
        """
        columns = [workbench.column(name) for name in channels]
        rows = [(titled(name, workbench.offset(name)), column) for name, column in zip(channels, columns, strict=True)]
        return stored(draw_panels(rows, 0, workbench.segments, workbench.time), 0, len(rows[0][1]))

    @agent_tool
    def render_stl(channel: Channel, period: Period) -> dict[str, Any]:
        """Draw a channel, and below it its trend, cycle and residual (STL). Of a long series, the middle is shown.

        The lowest panel shows what the cycle does not explain, and when.
        """
        first, values = workbench.stretch(channel)
        parts = decompose(values, [period])
        offset = workbench.offset(channel)
        rows = [(titled(channel, offset), values[parts.begin : parts.end]), (titled("trend", offset), parts.trend)]
        rows += [("cycle", parts.seasonal[0]), ("rest", parts.residual)]
        begin, end = first + parts.begin, first + parts.end
        return stored(draw_panels(rows, begin, time_of=workbench.time), begin, end)

    @agent_tool
    def render_matrix_profile(channel: Channel, window: Window) -> dict[str, Any]:
        """Draw a channel, and below it the distance of each stretch to the stretch most like it.

        The distance is high where a stretch is unique. Of a long training part, a sample is compared.
        """
        values = workbench.column(channel)
        require(values, 32)
        require_cycles(values, window)
        distance = matrix_profile(values, window, workbench.sample).distance / (2 * np.sqrt(window))
        padded = np.concatenate([distance, np.full(window - 1, np.nan)])  # no stretch begins there
        rows = [(titled(channel, workbench.offset(channel)), values), (f"distance of {window} samples", padded)]
        return stored(draw_panels(rows, 0, workbench.segments, workbench.time), 0, len(values))

    @agent_tool
    def render_spectrogram(channel: Channel) -> dict[str, Any]:
        """Draw which periods a channel has at which time.

        Dark means much power. The vertical axis shows the period in samples.
        """
        begin, values = workbench.stretch(channel)
        require(values, 2 * LEAST_SEGMENT)
        picture = draw_spectrogram(values, begin, workbench.time, titled(f"{channel}, periods in samples"))
        return stored(picture, begin, begin + len(values))

    return [render_channels, render_stl, render_matrix_profile, render_spectrogram]
