"""Pictures of events and of whole series."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from run_results import result_of

from ape.runs import pictures
from ape.runs.pictures import COLOURS, EVENT_COLOUR, draw_event, draw_whole, small
from ape.series import Series, from_dataframe


@pytest.fixture
def drawn(monkeypatch) -> list[Any]:
    """The figures that are drawn."""
    figures: list[Any] = []
    original = pictures._png
    monkeypatch.setattr(pictures, "_png", lambda figure: figures.append(figure) or original(figure))
    return figures


@pytest.fixture
def series() -> Series:
    """2,000 minutes in four channels; the first is 10 higher from 1500 to 1539."""
    rng, steps = np.random.default_rng(0), np.arange(2000)
    frame = pd.DataFrame(
        {f"temperature {name} [°C]": np.sin(steps / 9) + 0.1 * rng.normal(size=2000) for name in "abcd"}
    )
    frame.iloc[1500:1540, 0] += 10
    frame.insert(0, "time", pd.Timestamp("2026-03-02") + pd.to_timedelta(steps, unit="min"))
    return from_dataframe(frame, train_end=1000)


def test_an_event_is_drawn_with_its_surroundings_channels_at_fault_and_score(series, drawn):
    names = series.channels
    result = result_of(series, (1500, 1540, 9.0, names[:2]), level=3.5)
    assert draw_event(result, result.events[0]).startswith(b"RIFF")
    panels = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in panels] == [*names[:2], "score"]
    measured = next(line for line in panels[0].lines if line.get_label() == "measured")
    assert len(measured.get_xdata()) == 40 + 2 * 64 + 1  # and the end of the line
    inside = next(line for line in panels[0].lines if line.get_color() == EVENT_COLOUR)
    assert np.isfinite(inside.get_ydata()).sum() == 40
    threshold = next(line for line in panels[-1].lines if line.get_label() == "threshold")
    assert set(threshold.get_ydata()) == {3.5}
    assert "2026-03-03" in panels[-1].get_xlabel()


def test_the_usual_range_does_not_follow_the_event(series, drawn):
    result = result_of(series, (1500, 1540, 9.0, series.channels[:1]))
    draw_event(result, result.events[0])
    band = drawn[0].axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].max() < 3 < series.exact[1500:1540, 0].min()


def test_at_most_three_channels_at_fault_are_drawn(series, drawn):
    result = result_of(series, (1500, 1540, 9.0, series.channels))
    draw_event(result, result.events[0])
    assert len(drawn[0].axes) == 4


@pytest.mark.parametrize("span", [(1000, 1001), (1990, 2000), (1000, 2000)])
def test_events_at_the_edges_are_drawn(series, span):
    result = result_of(series, (*span, 9.0, series.channels[:1]))
    assert draw_event(result, result.events[0])


def test_channels_have_axes_of_their_own_in_the_given_order(series, drawn):
    events = result_of(series, (1500, 1540, 9.0, series.channels[:1])).events
    draw_whole(series, [2, 0, 1], events, columns=2)
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
    assert titles == [series.channels[k] for k in (2, 0, 1)] + [""]
    assert [axes.get_xlabel() != "" for axes in drawn[0].axes] == [False, True, True, False]


def test_small_pictures_have_few_colours_and_the_same_size(series):
    noise, png = np.random.default_rng(0).integers(0, 255, size=(60, 80, 3), dtype=np.uint8), io.BytesIO()
    Image.fromarray(noise).save(png, "png")
    picture = Image.open(io.BytesIO(small(png.getvalue())))
    assert len(picture.convert("RGB").getcolors()) <= COLOURS and picture.size == (80, 60)
