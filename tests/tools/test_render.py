"""Pictures: one geometry, coordinates that map to time steps, the same bytes each time."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ape.tools.artefacts import Artefacts
from ape.tools.panels import PANEL, draw_panels, draw_spectrogram
from ape.tools.render import (
    HEIGHT,
    LINE_COLOUR,
    WIDTH,
    draw_cycles,
    draw_stretch,
    to_box,
    to_height,
    to_step,
    to_value,
    y_range,
)

INK = np.array([int(LINE_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])


def inked(png: bytes) -> np.ndarray:
    """Where the line is, [height, width]."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return np.abs(pixels - INK).sum(axis=2) <= 60


@given(st.integers(0, 10**7), st.integers(2, 10**6), st.data())
def test_a_time_step_comes_back_from_its_coordinate(begin, length, data):
    position = data.draw(st.integers(begin, begin + length - 1))
    x = to_box(position, begin, begin + length)
    assert 0 <= x <= 1000
    assert to_step(x, begin, begin + length) == position


@given(st.integers(0, 1000), st.integers(0, 10**6), st.integers(2, 10**6))
def test_every_coordinate_means_a_step_in_view_within_half_a_unit(x, begin, length):
    step = to_step(x, begin, begin + length)
    assert begin <= step < begin + length
    if begin < step < begin + length - 1:
        assert abs(to_box(step, begin, begin + length) - x) <= 1000 * 0.5 / length + 1e-6


@pytest.mark.parametrize("length", [400, 50_000], ids=["every sample", "thinned"])
def test_a_spike_is_drawn_at_its_coordinate(length):
    values = np.zeros(length)
    at = 3 * length // 10
    values[at] = 5.0
    column = inked(draw_stretch(values, 0, length))[: HEIGHT // 4].any(axis=0).nonzero()[0]
    assert abs(1000 * column.mean() / WIDTH - to_box(at, 0, length)) < 3


def test_size_and_ink(wave):
    picture = Image.open(io.BytesIO(draw_stretch(wave, 0, len(wave))))
    assert picture.size == (WIDTH, HEIGHT)
    assert WIDTH % 32 == HEIGHT % 32 == 0
    assert inked(draw_stretch(wave, 0, len(wave))).any(axis=0).sum() > 0.85 * WIDTH


@pytest.mark.parametrize(
    "draw", [lambda v: draw_stretch(v, 0, len(v)), lambda v: draw_cycles(v, 50)], ids=["line", "cycles"]
)
def test_the_same_input_gives_the_same_bytes_in_threads_too(draw, wave):
    alone = draw(wave)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, [wave.copy()] * 8)) == {alone}
    assert b"Software" not in alone
    assert draw(wave + np.eye(1, len(wave), 700)[0]) != alone


def test_thinning_keeps_extremes():
    values = np.zeros(100_000)
    values[[0, 99_999]] = 1.0, -1.0  # the very ends
    ink = inked(draw_stretch(values, 0, len(values)))
    assert ink[: HEIGHT // 4].any()
    assert ink[3 * HEIGHT // 4 :].any()


def test_the_vertical_range():
    assert y_range(np.array([0.0, 10.0])) == (-0.5, 10.5)
    assert y_range(np.full(5, 4.0)) == (2.0, 6.0)
    assert y_range(np.zeros(5)) == (-1.0, 1.0)


def test_render_tools_answer_with_the_picture_and_its_axes(ask, tmp_path, wave):
    overview = ask(wave, "render_overview")
    cycles = ask(wave, "render_cycles", period=50)
    zoom = ask(wave, "render_zoom", begin=100, end=300)
    assert (overview["begin"], overview["end"]) == (0, 1500)
    assert (cycles["begin"], cycles["end"], cycles["period"]) == (0, 50, 50)
    assert (zoom["begin"], zoom["end"]) == (100, 300)
    store = Artefacts(tmp_path)
    assert store.get_bytes(zoom["artefact"]) == draw_stretch(wave.astype(np.float32).astype(float), 100, 300)
    assert len({answer["artefact"] for answer in (overview, cycles, zoom)}) == 3
    assert overview["y_range"][0] < wave.min() < wave.max() < overview["y_range"][1]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_a_value_comes_back_from_its_height(low, swing, share):
    limits = low, low + swing
    value = low + share * swing
    assert 0 <= to_height(value, limits) <= 1000
    assert to_value(to_height(value, limits), limits) == pytest.approx(value, abs=1e-6 * (swing + abs(low)))


def test_a_spikes_height_is_its_value():
    values = np.zeros(400)
    values[120] = 5.0
    rows = inked(draw_stretch(values, 0, 400)).any(axis=1).nonzero()[0]
    limits = y_range(values)
    assert abs(1000 * rows.min() / HEIGHT - to_height(5.0, limits)) < 5
    assert abs(to_value(1000 * rows.max() / HEIGHT, limits)) < 0.1


def test_panels_share_the_time_axis_of_all_pictures():
    values = np.zeros((2, 1000))
    values[0, 300], values[1, 700] = 1, 1
    ink = inked(draw_panels([("a", values[0]), ("b", values[1])], 5000))
    assert ink.shape == (2 * PANEL, WIDTH)
    for half, at in ((ink[:PANEL], 5300), (ink[PANEL:], 5700)):
        rows = half.any(axis=1).nonzero()[0]
        column = half[rows.min() : rows.min() + 20].any(axis=0).nonzero()[0]
        assert abs(1000 * column.mean() / WIDTH - to_box(at, 5000, 6000)) < 4


def test_a_spectrogram_is_dark_where_the_power_is():
    steps = np.arange(4000)
    values = np.where(steps < 2000, np.sin(2 * np.pi * steps / 100), np.sin(2 * np.pi * steps / 5))
    picture = np.asarray(Image.open(io.BytesIO(draw_spectrogram(values))).convert("L")).astype(float)
    left, right = picture[:, 200:400], picture[:, 700:900]
    assert right[80:160].min() < 80 < left[80:160].min()  # short periods are higher up
    assert left[420:470].min() < 80
