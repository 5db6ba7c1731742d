"""Pictures of series: times on the axis, lines that break at gaps, and filled values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ape.series import Series, from_array, from_dataframe
from ape.series.plots import FILLED_COLOUR, TimeAxis, broken, draw_series, filled, thinned


def timed(times, **options) -> Series:
    values = np.sin(np.arange(len(times)) / 7)
    return from_dataframe(pd.DataFrame({"time": times, "value": values}), **options)


def drawn(series: Series):
    axes, axis = Figure().add_subplot(), TimeAxis.of(series)
    axis.draw(axes, series.values[:, 0], "black", filled(series, 0))
    axis.shade(axes)
    axis.label(axes, 8)
    return axes


def labels(axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


@pytest.fixture
def gapped() -> Series:
    """300 minutes; after 200 of them, 50 are missing."""
    minutes = np.r_[np.arange(200), np.arange(250, 350)]
    return timed(pd.Timestamp("2024-05-01", tz="UTC") + pd.to_timedelta(minutes, unit="min"), train_end=150)


def test_axis_has_times_and_the_zone(gapped):
    axes = drawn(gapped)
    assert "zone UTC" in axes.get_xlabel() and "time, 2024-05-01, " in axes.get_xlabel()
    places = dict(zip(labels(axes), axes.get_xticks(), strict=True))
    assert places["01:00"] == pytest.approx(60) and places["05:00"] == pytest.approx(300)


def test_line_breaks_at_a_gap_which_has_its_room(gapped):
    axis = TimeAxis.of(gapped)
    assert axis.places[199] == 199 and axis.places[200] == 250 and axis.breaks.tolist() == [200]
    x, y = drawn(gapped).lines[0].get_data()
    inside = (x > 199) & (x <= 250)
    assert np.isnan(y[inside]).any()
    shown = np.isfinite(y)
    assert sorted(x[shown]) == sorted(axis.places)


def test_a_stretch_has_its_own_times_gaps_and_places(gapped):
    axis = TimeAxis.of(gapped, 190, 260)
    assert axis.places[[0, 9, 10, -1]].tolist() == [0, 9, 60, 119] and axis.breaks.tolist() == [10]
    assert [axis.place(point) for point in (0, 195, 200, 300)] == [0, 5, 60, 119]
    axes = Figure().add_subplot()
    axis.draw(axes, gapped.values[:, 0], "black")
    axis.shade(axes)
    axis.label(axes, 8)
    assert axes.lines[0].get_xdata()[:2].tolist() == [0, 1] and axes.lines[0].get_ydata()[0] == gapped.values[190, 0]
    assert "training" not in axes.get_xlabel() and len(axes.patches) == 1
    places = dict(zip(labels(axes), axes.get_xticks(), strict=True))
    assert places["04:00"] == pytest.approx(50)


def test_positions_of_a_stretch_count_from_the_begin_of_the_series():
    axes, axis = Figure().add_subplot(), TimeAxis.of(from_array(np.sin(np.arange(400) / 7)), 120, 200)
    axis.label(axes, 8)
    assert dict(zip(labels(axes), axes.get_xticks(), strict=True))["150"] == 30


def test_gap_and_training_part_are_shaded(gapped):
    spans = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in drawn(gapped).patches)
    assert np.allclose(spans, [(0, 149), (199, 250)])
    assert "green: training part" in drawn(gapped).get_xlabel() and "grey: no rows" in drawn(gapped).get_xlabel()


def test_gap_longer_than_the_series_is_drawn_shorter():
    minutes = np.r_[np.arange(200), np.arange(100_000, 100_100)]
    series = timed(pd.Timestamp("2024-05-01") + pd.to_timedelta(minutes, unit="min"))
    axis, axes = TimeAxis.of(series), drawn(series)
    assert axis.shortened and axis.places[-1] < 320
    assert "drawn shorter" in axes.get_xlabel()
    assert labels(axes)[0].startswith("2024-05-01") and labels(axes)[-1].startswith("2024-07-09")


def test_pauses_of_irregular_times_break_the_line():
    rng = np.random.default_rng(0)
    steps = rng.uniform(20, 100, size=400)
    steps[150] = 5_000
    series = timed(pd.Timestamp("2024-05-01") + pd.to_timedelta(np.cumsum(steps), unit="s"))
    assert series.step is None and TimeAxis.of(series).breaks.tolist() == [150]


def test_filled_values_are_grey():
    minutes = np.delete(np.arange(300), [120, 121])
    axes = drawn(timed(pd.Timestamp("2024-05-01") + pd.to_timedelta(minutes, unit="min")))
    grey, line = axes.lines
    assert grey.get_color() == FILLED_COLOUR
    assert np.isnan(line.get_ydata()[120:122]).all() and np.isfinite(line.get_ydata()[[119, 122]]).all()
    assert "filled in" in axes.get_xlabel()


def test_without_times_the_axis_has_positions():
    axes = drawn(from_array(np.sin(np.arange(400) / 7)))
    assert axes.get_xlabel() == "position" and labels(axes)[:2] == ["0", "50"]


def test_elapsed_times():
    frame = pd.DataFrame({"time": pd.to_timedelta(np.arange(600), unit="min"), "value": np.sin(np.arange(600) / 7)})
    axes = drawn(from_dataframe(frame))
    assert axes.get_xlabel() == "elapsed time, h"
    assert dict(zip(labels(axes), axes.get_xticks(), strict=True))["2"] == pytest.approx(120)


def test_thinning_keeps_extremes_and_skips_nan():
    values = np.full(10_000, np.nan)
    values[[1234, 1235]] = 3.0, -2.0
    x, y = thinned(np.arange(10_000.0), values, 100)
    assert len(x) == 200 and np.nanmax(y) == 3 and np.nanmin(y) == -2
    assert abs(x[np.nanargmax(y)] - 1234) <= 100
    x, y = broken(np.arange(10_000.0), np.ones(10_000), np.array([5_000]), 100)
    assert np.isnan(y).sum() == 2


def test_any_name_of_a_channel_can_be_drawn():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=["$x_{", "a\x1b[31m\n", "n" * 200])
    assert draw_series(from_dataframe(frame)).startswith(b"\x89PNG")
