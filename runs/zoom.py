"""The whole series as a plot that can be zoomed, inside a page that makes no request.

Bokeh draws it: its library is one file without dependencies, which a page can contain. It is imported by the functions
only, so that a command without a report starts quickly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from ape.core.files import write_text
from ape.monitor import Event
from ape.runs.pictures import EVENT_COLOUR
from ape.series import Series
from ape.series.plots import FILLED_COLOUR, GAP_COLOUR, LINE_COLOUR, TRAINING_COLOUR, broken, exact_values, filled
from ape.series.reading.report import printable

if TYPE_CHECKING:
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure

SHARED = "bokeh.js"  # in the folder of a batch
COLUMNS = 900  # each line is drawn from the lowest and the highest value in so many stretches
MOST_BREAKS = 200  # the longest gaps; lines are drawn across shorter ones
TALL, LOW = 118, 96  # pixels: height of the last panel, which has the times, and of the others
SCROLLS = ".bk-events { touch-action: pan-y !important; }"  # a finger on the plot still scrolls the page


def library() -> Markup:
    """Return BokehJS, to be put into a script element."""
    from bokeh.resources import Resources

    source = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    return Markup(source.replace("</script", "<\\/script"))


def share_library(out: Path) -> None:
    """Write BokehJS into the folder of a batch: the reports of its items load it from there."""
    write_text(out / SHARED, library())


def shared_library(folder: Path) -> str:
    """Return the relative address of the library in the folder of a batch; empty for a run that is no item of one."""
    beside = Path("..", "..", SHARED)
    return beside.as_posix() if (folder / beside).is_file() else ""


def zoomable(
    series: Series,
    channels: Sequence[int],
    events: Sequence[Event] = (),
    score: np.ndarray | None = None,
    level: float | None = None,
) -> Markup:
    """Return a plot of the score above some channels, as JSON for ``Bokeh.embed.embed_item``.

    All panels share the time axis. The JSON contains no ``<``, so that names from files cannot end its element.

    Parameters
    ----------
    series : Series
    channels : sequence of int
    events : sequence of Event
    score : ndarray, float [T], optional
    level : float, optional
        Threshold of the score.
    """
    from bokeh import models
    from bokeh.embed import json_item
    from bokeh.layouts import gridplot
    from bokeh.models.annotations.geometry import Span

    x, is_time = _horizontal(series)
    lines = {} if score is None else {"score": score}
    for channel in channels:
        values, holes = exact_values(series, channel), filled(series, channel)
        lines[f"line {channel}"] = np.where(holes, np.nan, values)
        if holes.any():
            lines[f"filled {channel}"] = values
    source = models.ColumnDataSource(_thinned(series, x, lines))
    room = 0.01 * (x[-1] - x[0])
    shared = models.Range1d(x[0] - room, x[-1] + room, bounds=(x[0] - room, x[-1] + room))
    shared.name = "x"
    panels = []
    if score is not None:
        panels.append(_panel("score", shared, source, "score", is_time))
        panels[0].add_layout(Span(location=level, dimension="width", line_color=EVENT_COLOUR, line_dash="dotted"))
    for channel in channels:
        name = printable(series.channels[channel])
        panels.append(_panel(name, shared, source, f"line {channel}", is_time))
        if f"filled {channel}" in lines:
            grey = panels[-1].line("x", f"filled {channel}", source=source, color=FILLED_COLOUR)
            grey.level = "underlay"
    strips = models.ColumnDataSource(_strips(series, events, x))
    for panel in panels:
        if strips.data:
            strip = models.VStrip(
                x0="left", x1="right", fill_color="colour", fill_alpha="alpha", line_color=None, hatch_color=None
            )
            panel.add_glyph(strips, strip, level="underlay")
        panel.xaxis.visible = panel is panels[-1]
        panel.height = TALL if panel is panels[-1] else LOW
    layout = gridplot(
        [[panel] for panel in panels], sizing_mode="stretch_width", merge_tools=True, toolbar_options={"logo": None}
    )
    return Markup(json.dumps(json_item(layout)).replace("<", "\\u003c"))


def _panel(name: str, shared: Any, source: ColumnDataSource, column: str, is_time: bool) -> figure:
    from bokeh import models
    from bokeh.models.annotations.labels import Title
    from bokeh.plotting import figure

    hover = models.HoverTool(
        mode="vline",
        tooltips=[("at", "@x{%F %T}" if is_time else "@x{0.[00]}"), (name, f"@{{{column}}}{{0.[0000]}}")],
        formatters={"@x": "datetime"} if is_time else {},
    )
    wheel = models.WheelZoomTool(dimensions="width", modifiers="ctrl")
    zoom = models.BoxZoomTool(dimensions="width")
    drawn = figure(
        x_range=shared,
        x_axis_type="datetime" if is_time else "linear",
        tools=[zoom, models.PanTool(dimensions="width"), wheel, models.ResetTool(), hover],
        active_drag=zoom,
        active_scroll=wheel,
        title=Title(text=models.PlainText(text=name), text_font_size="12px"),
        min_border_left=58,
        stylesheets=[models.InlineStyleSheet(css=SCROLLS)],
    )
    line = drawn.line("x", column, source=source, color=LINE_COLOUR)
    hover.renderers = [line]
    drawn.yaxis.ticker = models.BasicTicker(desired_num_ticks=3)
    if is_time:
        drawn.xaxis.formatter = models.DatetimeTickFormatter(
            months="%Y-%m", days="%Y-%m-%d", hours="%H:%M", hourmin="%H:%M", minutes="%H:%M"
        )
    return drawn


def _strips(series: Series, events: Sequence[Event], x: np.ndarray) -> dict[str, Any]:
    """Return what is shaded: the training part, the gaps, and the events."""
    step = (x[-1] - x[0]) / max(1, len(x) - 1)
    strips = [(x[0], x[series.train_end - 1], TRAINING_COLOUR, 0.08)] if series.train_end else []
    strips += [(x[place - 1], x[place], GAP_COLOUR, 0.25) for place in _breaks(series)]
    strips += [(x[each.begin] - step / 2, x[each.end - 1] + step / 2, EVENT_COLOUR, 0.18) for each in events]
    return dict(zip(("left", "right", "colour", "alpha"), map(list, zip(*strips, strict=True)), strict=False))


def _horizontal(series: Series) -> tuple[np.ndarray, bool]:
    """Return where points are on the axis, float64 [T], and whether that is milliseconds since 1970."""
    clock = series.clock
    if clock is not None:
        return np.maximum.accumulate(clock.astype("datetime64[us]").astype(np.int64) / 1e3), True
    if series.elapsed is not None:
        return series.elapsed / np.timedelta64(1, "s"), False
    return series.point_rows.astype(np.float64), False


def _breaks(series: Series) -> list[int]:
    """Return the first points after the longest gaps."""
    longest = sorted(series.gaps, key=lambda gap: -gap.seconds)[:MOST_BREAKS]
    return sorted(gap.position for gap in longest)


def _thinned(series: Series, x: np.ndarray, lines: dict[str, np.ndarray]) -> dict[str, Any]:
    breaks = np.array(_breaks(series), dtype=np.int64)
    thin = {name: broken(x, values, breaks, COLUMNS) for name, values in lines.items()}
    places = next(iter(thin.values()))[0]
    return {"x": places, **{name: y.astype(np.float32) for name, (_, y) in thin.items()}}
