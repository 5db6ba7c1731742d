"""Pictures: one geometry and reproducible bytes."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from naive.tools_pictures import horizontal, vertical
from PIL import Image

from ape.series import from_array
from ape.tools import render
from ape.tools.artefacts import Artefacts
from ape.tools.render import (
    HEIGHT,
    WIDTH,
    _canvas,
    draw_cycles,
    draw_stretch,
    label_times,
    titled,
    without_times,
    y_range,
)
from ape.tools.workbench import Workbench

from .conftest import inked

START = np.datetime64("2024-05-01")


@pytest.mark.parametrize("length", [400, 50_000], ids=["every sample", "thinned"])
def test_spike_is_drawn_at_its_time_step(length):
    values = np.zeros(length)
    at = 3 * length // 10
    values[at] = 5.0
    column = inked(draw_stretch(values, 0, length))[: HEIGHT // 4].any(axis=0).nonzero()[0]
    assert abs(1000 * column.mean() / WIDTH - horizontal(at, 0, length)) < 3


def test_picture_has_a_fixed_size_and_the_line_spans_it(wave):
    picture = Image.open(io.BytesIO(draw_stretch(wave, 0, len(wave))))
    assert picture.size == (WIDTH, HEIGHT)
    assert WIDTH % 32 == HEIGHT % 32 == 0
    assert inked(draw_stretch(wave, 0, len(wave))).any(axis=0).sum() > 0.85 * WIDTH


@pytest.mark.parametrize(
    "draw", [lambda v: draw_stretch(v, 0, len(v)), lambda v: draw_cycles(v, 50)], ids=["line", "cycles"]
)
def test_equal_input_gives_equal_bytes_even_in_threads(draw, wave):
    alone = draw(wave)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, [wave.copy()] * 8)) == {alone}
    assert b"Software" not in alone
    assert draw(wave + np.eye(1, len(wave), 700)[0]) != alone


def test_thinning_keeps_extremes():
    values = np.zeros(100_000)
    values[[0, 99_999]] = 1.0, -1.0  # first and last
    ink = inked(draw_stretch(values, 0, len(values)))
    assert ink[: HEIGHT // 4].any()
    assert ink[3 * HEIGHT // 4 :].any()


def test_vertical_range():
    assert y_range(np.array([0.0, 10.0])) == (-0.5, 10.5)
    assert y_range(np.full(5, 4.0)) == (2.0, 6.0)
    assert y_range(np.zeros(5)) == (-1.0, 1.0)


def test_tools_return_the_picture_and_its_axes(ask, tmp_path, wave):
    overview = ask(wave, "render_overview")
    cycles = ask(wave, "render_cycles", period=50)
    zoom = ask(wave, "render_zoom", begin=100, end=300)
    assert (overview["begin"], overview["end"]) == (0, 1500)
    assert (cycles["begin"], cycles["end"], cycles["period"]) == (0, 50, 50)
    assert (zoom["begin"], zoom["end"]) == (100, 300)
    store = Artefacts(tmp_path)
    assert store.get_bytes(zoom["artefact"]) == draw_stretch(
        wave.astype(np.float32).astype(float), 100, 300, title="c0"
    )
    assert len({answer["artefact"] for answer in (overview, cycles, zoom)}) == 3
    assert overview["y_range"][0] < wave.min() < wave.max() < overview["y_range"][1]


def test_spike_is_drawn_at_its_value():
    values = np.zeros(400)
    values[120] = 5.0
    rows = inked(draw_stretch(values, 0, 400)).any(axis=1).nonzero()[0]
    limits = y_range(values)
    assert abs(1000 * rows.min() / HEIGHT - vertical(5.0, limits)) < 5
    assert abs(1000 * rows.max() / HEIGHT - vertical(0.0, limits)) < 5


def test_times_are_written_below_the_positions(wave):
    _, axes = _canvas(0, 1500, (0, 1))
    label_times(axes, 0, 1500, lambda position: f"2024-05-01 {position // 60:02}:{position % 60:02}:00+01:00")
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert "400\n2024-05-01 06:40:00+01:00" in labels and len(labels) <= 5
    timed = draw_stretch(wave, 0, 1500, time_of=lambda position: "2024-05-01 00:00:00+01:00")
    assert timed != draw_stretch(wave, 0, 1500) == draw_stretch(wave, 0, 1500, time_of=without_times)


def test_pictures_name_the_channel_as_plain_text_and_the_offset_of_the_axis(wave):
    assert titled("flow") == "flow" and titled("flow", 2e7) == "flow (+20000000.0)"
    assert titled("cost in $ or $\x1b") == r"cost in \$ or \$ "
    _, axes = _canvas(0, 50, (0, 1), titled("flow, cycles of 50 samples"))
    assert axes.get_title(loc="left") == "flow, cycles of 50 samples"


def test_cycles_say_how_long_they_are(wave, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(render, "draw_cycles", lambda values, period, title: titles.append(title) or b"")
    series = from_array(wave, ["flow"], timestamps=START + np.arange(len(wave)) * np.timedelta64(15, "m"))
    cycles = {tool.name: tool for tool in render.render_tools(Workbench(series, Artefacts(tmp_path)))}["render_cycles"]
    cycles.invoke({"channel": "flow", "period": 96})
    assert titles == ["flow, cycles of 96 samples (1 d)"]
