"""Pictures of what a rule generates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ape.rules import broad_rule, build_context
from ape.rules.hosts import draw_hosts
from ape.series import from_array
from ape.tools import preview
from ape.tools.preview import draw_examples, sample_examples


@pytest.fixture(scope="module")
def examples():
    steps = np.arange(3000)
    values = np.sin(2 * np.pi * steps / 50) + 0.05 * np.random.default_rng(0).normal(size=3000)
    series = from_array(values, ["flow"], train_end=2500)
    context = build_context(series)
    return sample_examples(broad_rule("level_shift"), context, draw_hosts(series, context, seed=0))


def test_each_panel_names_its_channel_and_where_its_host_begins(examples, monkeypatch):
    figures = []
    monkeypatch.setattr(preview, "png", lambda figure: figures.append(figure) or b"")
    draw_examples(examples)
    draw_examples(examples, lambda position: f"time {position}")
    length = examples.hosts.shape[2]
    plain, timed = ([text.get_text() for text in figure.axes[0].texts] for figure in figures)
    assert plain == [f"flow, {length} samples from position {start}" for start in examples.starts]
    assert timed == [f"flow, {length} samples from time {start}" for start in examples.starts]


def test_labels_are_above_their_panels_and_inside_the_picture(examples, monkeypatch):
    figures = []
    monkeypatch.setattr(preview, "png", lambda figure: figures.append(figure) or b"")
    draw_examples(examples, lambda position: "2024-04-01 00:00:00+02:00")
    figure = figures[0]
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes[:3]))
