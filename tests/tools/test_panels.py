"""Pictures of panels and of spectrograms."""

from __future__ import annotations

import io

import numpy as np
from naive.tools_pictures import horizontal
from PIL import Image

from ape.tools import panels
from ape.tools.panels import PANEL, draw_panels, draw_spectrogram
from ape.tools.render import WIDTH

from .conftest import inked


def test_panels_have_the_time_axis_of_all_pictures():
    values = np.zeros((2, 1000))
    values[0, 300], values[1, 700] = 1, 1
    ink = inked(draw_panels([("a", values[0]), ("b", values[1])], 5000))
    assert ink.shape == (2 * PANEL, WIDTH)
    for half, at in ((ink[:PANEL], 5300), (ink[PANEL:], 5700)):
        rows = half.any(axis=1).nonzero()[0]
        column = half[rows.min() : rows.min() + 20].any(axis=0).nonzero()[0]
        assert abs(1000 * column.mean() / WIDTH - horizontal(at, 5000, 6000)) < 4


def test_spectrogram_is_dark_where_the_power_is():
    steps = np.arange(4000)
    values = np.where(steps < 2000, np.sin(2 * np.pi * steps / 100), np.sin(2 * np.pi * steps / 5))
    picture = np.asarray(Image.open(io.BytesIO(draw_spectrogram(values))).convert("L")).astype(float)
    left, right = picture[:, 200:400], picture[:, 700:900]
    assert right[80:160].min() < 80 < left[80:160].min()  # short periods are higher up
    assert left[420:470].min() < 80


def test_matrix_profile_ends_where_the_last_stretch_begins(ask, wave, monkeypatch):
    drawn = []
    monkeypatch.setattr(panels, "draw_panels", lambda rows, *_, **__: drawn.append(dict(rows)) or b"")
    ask(wave, "render_matrix_profile", window=50)
    assert list(drawn[0]) == ["c0", "distance of 50 samples"]
    distance = drawn[0]["distance of 50 samples"]
    assert np.flatnonzero(np.isnan(distance)).tolist() == list(range(1451, 1500))
