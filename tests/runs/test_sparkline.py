"""Sparklines: extremes survive thinning, missing values break the line, events and the training part are marked."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ape.runs.sparkline import COLUMNS, HEIGHT, WIDTH, curve, sparkline
from ape.series import Series

EVENT = {"start": 500, "end": 550, "reason": 'level 3 < usual & "high"'}


def series_of(values: np.ndarray, **fields) -> Series:
    return Series(values=values[:, None].astype(np.float32), channels=("value",), **fields)


def boxes(picture: str, kind: str) -> list[tuple[float, float]]:
    """Return left edge and width of the marked stretches."""
    found = [each for each in ET.fromstring(picture).iter("rect") if each.get("class") == kind]
    return [(float(each.get("x")), float(each.get("width"))) for each in found]


def test_a_single_peak_among_many_points_is_drawn():
    values = np.zeros(10_000)
    values[7_000] = 5.0
    drawn = curve(series_of(values, train_end=4_000), "value")
    assert (drawn["rows"], drawn["trained"]) == (10_000, 4_000)
    assert len(drawn["high"]) == COLUMNS and [k for k, top in enumerate(drawn["high"]) if top == 100] == [84]
    assert set(drawn["low"]) == {0}


def test_missing_values_break_the_line():
    values = np.sin(np.arange(1_200) / 9)
    missing = np.zeros((1_200, 1), dtype=bool)
    missing[300:600] = True
    drawn = curve(series_of(values, missing=missing), "value")
    assert drawn["low"].count(None) == COLUMNS // 4
    (path,) = re.findall(r' d="([^"]*)"', sparkline(drawn, []))
    assert path.count("M") == 2 and path.startswith("M")


def test_events_and_the_training_part_are_marked_where_they_are():
    drawn = curve(series_of(np.sin(np.arange(1_000) / 9), train_end=400), "value")
    picture = sparkline(drawn, [EVENT, {**EVENT, "start": 999, "end": 1_000}])
    assert boxes(picture, "trained") == [(0.0, 0.4 * WIDTH)]
    first, last = boxes(picture, "event")
    assert first == (0.5 * WIDTH, 0.05 * WIDTH)
    assert last[1] > WIDTH / 1_000  # one row of many is still visible
    titles = [each.text for each in ET.fromstring(picture).iter("title")]
    assert titles[1] == EVENT["reason"] and "2 events" in ET.fromstring(picture).get("aria-label")


@given(arrays(float, st.integers(1, 400), elements=st.floats(-1e6, 1e6)))
def test_any_channel_fits_into_the_picture(values):
    series = series_of(values)
    picture = sparkline(curve(series, "value"), [])
    (path,) = re.findall(r' d="([^"]*)"', picture)
    points = [(float(x), float(y), float(v)) for x, y, v in re.findall(r"[ML]([\d.]+) ([-\d.]+)V([-\d.]+)", path)]
    assert points and all(0 <= x <= WIDTH and 0 <= top <= y <= HEIGHT for x, y, top in points)
