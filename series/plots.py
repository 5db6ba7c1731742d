"""Draw series over their times. Lines break where rows are missing; gaps and the training part are shaded.

Matplotlib is imported by the callers only, so that a command without a plot starts quickly.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ape.series.reading.report import printable
from ape.series.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CHANNELS = 8  # in one picture
LONGEST_NAME = 24  # characters
LINE_COLOUR = "#1f3b73"
COLUMNS = 1100  # pixel columns of a line
FILLED_COLOUR, GAP_COLOUR, TRAINING_COLOUR = "#b8bec8", "#8a8f98", "#3a7d44"
MOST_ROOM = 0.03  # share of the points: room of a gap if all gaps together would take more than the points
TICKS = 8
ROUND = (1, 2, 3, 5, 6, 10)  # steps between labels, times a power of ten: of positions, and of hours and minutes
DATES = np.datetime64("0001-01-01", "s"), np.datetime64("9999-12-31", "s")  # what matplotlib can label
UNITS = (("h", 3_600), ("min", 60), ("s", 1))  # of elapsed times


@dataclass(frozen=True)
class TimeAxis:
    """The horizontal axis of a stretch of a series: regular points are one apart, and gaps have room.

    Parameters
    ----------
    series : Series
    begin, end : int
        Points of the series that are drawn; ``end`` is exclusive.
    places : ndarray, float64 [end - begin]
        Where each of them is drawn.
    breaks : ndarray, int64 [G]
        First point after each gap, counted from ``begin``.
    shortened : bool
        Whether long gaps are drawn shorter than they are.
    """

    series: Series
    begin: int
    end: int
    places: np.ndarray
    breaks: np.ndarray
    shortened: bool

    @classmethod
    def of(cls, series: Series, begin: int = 0, end: int | None = None) -> TimeAxis:
        """Return the axis of a series, or of its points from ``begin`` to ``end`` (exclusive)."""
        end = series.length if end is None else end
        gaps = [gap for gap in series.gaps if begin < gap.position < end]
        breaks = np.array([gap.position for gap in gaps], dtype=np.int64) - begin
        steps = np.ones(end - begin)
        times = series.timestamps if series.timestamps is not None else series.elapsed
        if series.step is not None:
            steps[breaks] += [gap.missing for gap in gaps]
        elif times is not None and end - begin > 1:
            seconds = np.diff(times[begin:end]) / np.timedelta64(1, "s")
            steps[1:] = seconds / np.median(seconds)
        shortened = bool(steps[breaks].sum() > len(steps))
        if shortened:
            steps[breaks] = np.minimum(steps[breaks], max(1.0, MOST_ROOM * len(steps)))
        return cls(series, begin, end, np.cumsum(steps) - 1, breaks, shortened)

    def place(self, point: int) -> float:
        """Return where a point of the series is drawn; points outside of the axis are at its ends."""
        return float(self.places[min(max(point, self.begin), self.end - 1) - self.begin])

    def draw(
        self, axes: Axes, values: np.ndarray, colour: Any, missing: np.ndarray | None = None, **style: Any
    ) -> None:
        """Draw ``values`` [T] as a line that breaks at gaps; filled values, where ``missing`` [T], are grey."""
        values, style = values[self.begin : self.end], {"lw": 0.8} | style
        if missing is not None and missing[self.begin : self.end].any():
            axes.plot(*broken(self.places, values, self.breaks, COLUMNS), color=FILLED_COLOUR, **style)
            values = np.where(missing[self.begin : self.end], np.nan, values)
        axes.plot(*broken(self.places, values, self.breaks, COLUMNS), color=colour, **style)

    def shade(self, axes: Axes) -> None:
        """Shade the training part and the gaps."""
        train_end = self.series.train_end
        if train_end and train_end > self.begin:
            axes.axvspan(self.places[0], self.place(train_end - 1), color=TRAINING_COLOUR, alpha=0.08, lw=0)
        for position in self.breaks:
            axes.axvspan(self.places[position - 1], self.places[position], color=GAP_COLOUR, alpha=0.25, lw=0)

    def label(self, axes: Axes, size: float, ticks: int = TICKS) -> None:
        """Label the axis with times, or with positions if the series has none, and explain the colours."""
        places, labels, name = self._ticks(ticks)
        axes.set_xticks(places, labels, fontsize=size)
        axes.set_xlim(self.places[0], max(self.places[-1], self.places[0] + 1))
        series, drawn = self.series, slice(self.begin, self.end)
        colours = ["green: training part"] if (series.train_end or 0) > self.begin else []
        if len(self.breaks):
            colours.append(f"grey: no rows{', drawn shorter than it is' if self.shortened else ''}")
        if series.inserted[drawn].any() or (series.missing is not None and series.missing[drawn].any()):
            colours.append("grey line: filled in")
        axes.set_xlabel(name + (f" ({'; '.join(colours)})" if colours else ""), fontsize=size + 1)

    def _ticks(self, most: int) -> tuple[np.ndarray, list[str], str]:
        """Return places, labels, and the name of the axis."""
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
        from matplotlib.ticker import MaxNLocator

        clock, elapsed = self.series.clock, self.series.elapsed
        if clock is not None and DATES[0] < clock[0].astype("M8[s]") and clock[-1].astype("M8[s]") < DATES[1]:
            # where a clock is set back, time stands still
            numbers = np.maximum.accumulate(date2num(clock[self.begin : self.end]))
            if self.shortened:  # round times may all be in one gap
                even = np.linspace(self.places[0], self.places[-1], most - 1)[1:-1]
                points = np.unique(np.searchsorted(self.places, even))
                labels = [f"{num2date(numbers[point]):%Y-%m-%d\n%H:%M:%S}" for point in points]
                return self.places[points], labels, f"time, {zone_name(self.series)}"
            locator = AutoDateLocator(minticks=most // 2, maxticks=most)
            found = locator.tick_values(num2date(numbers[0]), num2date(numbers[-1]))
            ticks = found[(found >= numbers[0]) & (found <= numbers[-1])]
            labels = ConciseDateFormatter(locator).format_ticks(ticks)
            first, last = (f"{num2date(number):%Y-%m-%d}" for number in numbers[[0, -1]])
            days = first if first == last else f"{first} to {last}"
            name = f"time, {days}, {zone_name(self.series)}"
            return np.interp(ticks, numbers, self.places), labels, name
        numbers, name = np.arange(self.begin, self.end, dtype=np.float64), "position"
        if elapsed is not None:
            numbers = elapsed[self.begin : self.end] / np.timedelta64(1, "s")
            unit, size = next((each for each in UNITS if numbers[-1] - numbers[0] > 2 * each[1]), UNITS[-1])
            numbers, name = numbers / size, f"elapsed time, {unit}"
        found = MaxNLocator(most, steps=ROUND, integer=elapsed is None).tick_values(numbers[0], numbers[-1])
        ticks = found[(found >= numbers[0]) & (found <= numbers[-1])]
        return np.interp(ticks, numbers, self.places), [f"{tick:.10g}" for tick in ticks], name


def draw_series(series: Series) -> bytes:
    """Draw each channel over its times, and return a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count, axis = min(series.n_channels, MOST_CHANNELS), TimeAxis.of(series)
    figure = Figure(figsize=(9, 1 + 1.1 * count), dpi=90)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for channel, axes in enumerate(panels):
        axis.draw(axes, exact_values(series, channel), LINE_COLOUR, filled(series, channel))
        axis.shade(axes)
        axes.set_ylabel(short(series.channels[channel]), fontsize=7)
        axes.tick_params(labelsize=7)
    axis.label(panels[-1], 7)
    if count < series.n_channels:
        panels[0].set_title(f"the first {count} of {series.n_channels} channels", fontsize=8)
    figure.tight_layout(pad=0.6)
    out = io.BytesIO()
    canvas.print_png(out)
    return out.getvalue()


def short(name: str) -> str:
    """Return the name of a channel for a picture, as plain text."""
    name = printable(name).replace("$", r"\$")
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


def exact_values(series: Series, channel: int) -> np.ndarray:
    """Return the values of a channel in data units, float64 [T]."""
    return series.values[:, channel].astype(np.float64) + (0.0 if series.offset is None else series.offset[channel])


def filled(series: Series, channel: int) -> np.ndarray:
    """Return whether each value of a channel was filled in, bool [T]."""
    return series.inserted if series.missing is None else series.inserted | series.missing[:, channel]


def zone_name(series: Series) -> str:
    """Return the zone of the clock in words."""
    return "no zone given" if series.zone is None else f"zone {series.zone}"


def broken(places: np.ndarray, values: np.ndarray, breaks: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what to draw of a line [T], see `thinned`, with NaN where it breaks before the points ``breaks`` [G]."""
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    for begin, end in pairwise([0, *breaks.tolist(), len(values)]):
        share = max(1, columns * (end - begin) // len(values))
        shown = thinned(places[begin:end], values[begin:end], share)
        x += [shown[0], places[begin : begin + 1]]
        y += [shown[1], np.array([np.nan])]
    return np.concatenate(x), np.concatenate(y)


def thinned(places: np.ndarray, values: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places and values to draw: all of a short stretch [n], else the extremes in each pixel column."""
    count = len(values)
    if count <= 2 * columns:
        return places, values
    edges = np.arange(columns) * count // columns
    extremes = np.stack([np.fmin.reduceat(values, edges), np.fmax.reduceat(values, edges)], axis=1)
    middles = (places[np.append(edges[1:], count) - 1] + places[edges]) / 2
    return np.repeat(middles, 2), extremes.ravel()
