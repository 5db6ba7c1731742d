"""Positions of times."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ape.series import from_array, load
from ape.series.reading.options import ReadOptions
from ape.tools.artefacts import Artefacts
from ape.tools.moments import position_of
from ape.tools.render import render_tools
from ape.tools.workbench import Workbench


@pytest.fixture
def hourly(tmp_path):
    """Ten days from 2024-05-01 on the clock of Berlin, of which eight are training data."""
    times = pd.date_range("2024-05-01", periods=240, freq="h").strftime("%Y-%m-%d %H:%M")
    path = tmp_path / "hourly.csv"
    pd.DataFrame({"time": times, "flow": np.sin(np.arange(240) / 4)}).to_csv(path, index=False)
    series = load(path, train_end="2024-05-09", options=ReadOptions(timezone="Europe/Berlin"))
    return Workbench(series, Artefacts(tmp_path))


@pytest.mark.parametrize(
    ("moment", "first", "after"),
    [
        (30, 30, 30),
        ("30", 30, 30),
        ("2024-05-02", 24, 48),
        ("2024-05-02 06:00", 30, 31),
        ("2.5.2024 06:30", 31, 31),
        ("2 May 2024 6:00 am", 30, 31),
        ("2024-05-02T04:00Z", 30, 31),
        ("2024-05", 0, 192),
    ],
)
def test_moment_becomes_a_position_on_the_clock_of_the_series(hourly, moment, first, after):
    assert (position_of(hourly, moment), position_of(hourly, moment, ends=True)) == (first, after)


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        ("2024-05-09", "outside the training part, 2024-05-01 00:00:00[+]02:00 to 2024-05-08 23:00:00[+]02:00"),
        ("2023-05-02", "outside the training part"),
        ("06:00", "no date"),
        ("tomorrow", "no time"),
        ("2024-05-32", "no time"),
        ("03/04/2024", "day first or month first"),
    ],
)
def test_moment_that_cannot_be_found_is_refused(hourly, moment, problem):
    with pytest.raises(ValueError, match=problem):
        position_of(hourly, moment)


def test_zoom_takes_times(hourly):
    zoom = next(tool for tool in render_tools(hourly) if tool.name == "render_zoom")
    shown = json.loads(zoom.invoke({"channel": "flow", "begin": "2024-05-02", "end": "2024-05-03"}))
    assert (shown["begin"], shown["end"]) == (24, 72)
    assert (shown["first_time"], shown["last_time"]) == ("2024-05-02 00:00:00+02:00", "2024-05-03 23:00:00+02:00")


def test_times_of_a_series_without_times_are_refused(tmp_path):
    bench = Workbench(from_array(np.sin(np.arange(300) / 4)), Artefacts(tmp_path))
    with pytest.raises(ValueError, match="no times"):
        position_of(bench, "2024-05-02")


def test_elapsed_times(tmp_path):
    path = tmp_path / "elapsed.csv"
    rows = [f"{k // 60}:{k % 60:02}:00,{np.sin(k / 4):.4f}" for k in range(300)]
    path.write_text("\n".join(["time,flow", *rows]))
    bench = Workbench(load(path), Artefacts(tmp_path))
    assert (position_of(bench, "1:05:00"), position_of(bench, "1:05:00", ends=True)) == (65, 66)
    with pytest.raises(ValueError, match="has a date"):
        position_of(bench, "2024-05-02")
