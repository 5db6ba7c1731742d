"""The unit of the data: tools give the same answers in any unit and at any level, and levels keep their digits."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ape.series import from_array
from ape.tools.artefacts import Artefacts
from ape.tools.plain import Level, to_plain
from ape.tools.render import draw_stretch, titled
from ape.tools.toolbox import inspector_tools, planner_tools, profiler_tools
from ape.tools.workbench import Workbench

T = 1200
SIZES = {"robust_sd", "robust_scale", "residual_scale", "quantisation_step"}  # in data units
LEVELS = {"median", "minimum", "maximum", "quantiles", "y_range"}  # the same, and they move with the level
WITH_SHAPES = ("matrix_profile",)  # its quantiles are those of distances between shapes
ARGUMENTS: dict[str, dict[str, Any]] = {
    "coherence": {"first": "a", "second": "b"},
    "find_similar_stretches": {"begin": 100, "end": 160},
    "matrix_profile": {"window": 50},
    "regimes": {"window": 50},
    "render_channels": {"channels": ["a", "b"]},
    "render_cycles": {"period": 50},
    "render_matrix_profile": {"window": 50},
    "render_stl": {"period": 50},
    "render_zoom": {"begin": 20, "end": 120},
    "stl": {"periods": [50]},
}


def series_values() -> np.ndarray:
    """Two channels with cycles, noise, a flat stretch, a change of level, and values on a grid."""
    steps, rng = np.arange(T), np.random.default_rng(0)
    wave = np.sin(2 * np.pi * steps / 50) + 0.3 * np.cos(4 * np.pi * steps / 50) + 0.05 * rng.normal(size=T)
    wave[600:640] = wave[600]
    wave[1000:] += 0.7
    other = 3 * np.roll(wave, 7) + 0.1 * rng.normal(size=T)
    return np.stack([wave, np.round(other, 1)], axis=1)


def answers(values: np.ndarray, folder) -> dict[tuple[str, ...], Any]:
    """Every figure of every tool, by its path; without artefacts, which depend on the labels of axes."""
    bench = Workbench(from_array(values, channels=["a", "b"]), Artefacts(folder))
    figures: dict[tuple[str, ...], Any] = {}

    def collect(path: tuple[str, ...], obj: Any) -> None:
        if isinstance(obj, dict | list):
            for key, value in obj.items() if isinstance(obj, dict) else enumerate(obj):
                collect((*path, str(key)), value)
        elif path[-1] != "artefact":
            figures[path] = obj

    for tool in planner_tools(bench) + profiler_tools(bench) + inspector_tools(bench):
        for channel in ("a", "b") if "channel" in tool.args else ("",):
            given = {"channel": channel} if channel else {}
            if tool.name != "read_text":
                collect((tool.name, channel), json.loads(tool.invoke(given | ARGUMENTS.get(tool.name, {}))))
    return figures


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return answers(series_values(), tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    ("factor", "level"),
    [
        (2.0**-40, 0),
        (1, 2e7),
        *(
            pytest.param(*each, marks=pytest.mark.extended)
            for each in [(2.0**40, 0), (1e20, 0), (1e-12, 0), (1, 1e9), (0.01, 101325)]
        ),
    ],
)
def test_only_figures_in_data_units_change(plain, tmp_path, factor, level):
    exact = level == 0 and np.log2(factor) % 1 == 0
    changed = answers(level + factor * series_values(), tmp_path)
    assert changed.keys() == plain.keys()
    for path, before in plain.items():
        after = changed[path]
        if level and path[-1] == "zero_share":
            assert after == 0, path
        elif path[0] not in WITH_SHAPES and LEVELS & set(path):
            tolerance = {"abs": 0.15 * factor} if level else {"rel": 1e-3}
            assert after == pytest.approx(factor * before + level, **tolerance), path
        elif SIZES & set(path) and before is not None:
            assert after == pytest.approx(factor * before, rel=1e-3), path
        elif exact or not isinstance(before, float):
            assert after == before, path
        else:  # the values are rounded in another place
            assert after == pytest.approx(before, rel=2e-3, abs=1e-6), path


def test_a_channel_at_a_high_level_keeps_its_wave(tmp_path):
    figures = answers(1e9 + series_values(), tmp_path)
    quantiles = [figures["robust_stats", "a", "quantiles", each] for each in ("0.05", "0.25", "0.75", "0.95")]
    assert quantiles == pytest.approx(1e9 + np.quantile(series_values()[:, 0], [0.05, 0.25, 0.75, 0.95]), abs=0.05)


@pytest.mark.parametrize(
    ("value", "spread", "shown"),
    [
        (12345.678, 1000.0, 12350.0),  # four significant digits
        (20000000.1234, 0.7, 20000000.12),  # to a tenth of the spread
        (-101325.00374, 0.006, -101325.0037),
        (3.14159e-13, 1e-13, 3.142e-13),
        (0.0, 1.0, 0.0),
        (5e9 + 1, 0.0, 5e9),
    ],
)
def test_digits_of_levels(value, spread, shown):
    level = Level.of(value, spread)
    assert level == shown and to_plain([level, 20000000.1234]) == [shown, 20000000.0]
    assert type(to_plain(level)) is float


def test_the_line_of_a_picture_does_not_depend_on_the_offset(wave):
    pictures = [draw_stretch(wave, 0, 1500, title=titled("flow", offset)) for offset in (0.0, 2e7)]
    assert pictures[0] != pictures[1]
    pixels = [np.asarray(Image.open(io.BytesIO(each)).convert("L")).astype(int) for each in pictures]
    rows = np.flatnonzero((pixels[0] != pixels[1]).any(axis=1))
    assert rows.max() < 0.04 * len(pixels[0])  # above the axes
