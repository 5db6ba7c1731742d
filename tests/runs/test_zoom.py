"""The plot that can be zoomed: what it contains, how large it is, and that names cannot end its element."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from run_results import result_of

from ape.runs.zoom import COLUMNS, library, zoomable
from ape.series import from_array, from_dataframe


def models(plot: str, name: str) -> list[dict[str, Any]]:
    """Return the attributes of all models of a type."""
    found = []

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("name") == name:
                found.append(part["attributes"])
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                visit(each)

    visit(json.loads(plot))
    return found


def columns(plot: str) -> dict[str, np.ndarray]:
    """Return the numeric columns of all sources."""
    found = {}
    for source in models(plot, "ColumnDataSource"):
        for name, column in source["data"]["entries"]:
            if isinstance(column, dict):
                found[name] = np.frombuffer(gzip.decompress(base64.b64decode(column["array"]["data"])), column["dtype"])
    return found


def titles(plot: str) -> list[str]:
    return [title["text"]["attributes"]["text"] for title in models(plot, "Title")]


def test_score_and_channels_share_one_axis():
    series = from_array(np.random.default_rng(0).normal(size=(600, 3)), train_end=400)
    result = result_of(series, (500, 520, 9.0, series.channels[1:2]))
    plot = zoomable(series, [1, 0, 2], result.events, result.score, 3.5)
    assert titles(plot) == ["score", *(series.channels[k] for k in (1, 0, 2))]
    assert len(models(plot, "Range1d")) == 1
    data = columns(plot)
    assert data["x"][:-1].tolist() == list(range(600)) and np.isnan(data["score"][-1])  # the end of the line
    assert np.allclose(data["line 1"][:-1], series.values[:, 1])
    assert models(plot, "Span")[0]["location"] == 3.5


def test_a_series_without_scores_has_no_panel_of_scores():
    series = from_array(np.sin(np.arange(600) / 7))
    assert titles(zoomable(series, [0])) == ["value"]


def test_times_are_on_the_axis():
    times = pd.Timestamp("2026-03-02", tz="Europe/Berlin") + pd.to_timedelta(np.arange(600), unit="min")
    series = from_dataframe(pd.DataFrame({"time": times, "load": np.sin(np.arange(600) / 7)}))
    first = columns(zoomable(series, [0]))["x"][0]
    assert pd.Timestamp(first, unit="ms") == pd.Timestamp("2026-03-02")  # the clock of the file


def test_long_series_are_thinned_to_their_extremes():
    values = np.random.default_rng(0).normal(size=(50_000, 2))
    values[12_345, 0], values[23_456, 1] = 40, -50
    data = columns(zoomable(from_array(values), [0, 1]))
    assert all(len(column) <= 2 * COLUMNS + 1 for column in data.values())
    assert np.nanmax(data["line 0"]) == 40 and np.nanmin(data["line 1"]) == -50


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--<script>", "$$\\frac{1}{2}$$", "a\u2028b"])
def test_names_are_plain_text(name):
    frame = pd.DataFrame({name: np.sin(np.arange(600) / 7), "b": np.cos(np.arange(600) / 7)})
    plot = zoomable(from_dataframe(frame), [0, 1])
    assert "<" not in plot
    assert [title["text"]["name"] for title in models(plot, "Title")] == ["PlainText", "PlainText"]


def test_the_library_does_not_end_its_element():
    assert "</script" not in library() and len(library()) < 1_400_000
