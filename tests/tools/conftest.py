"""Small series with known properties, and calls of tools on them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.render import LINE_COLOUR
from ape.tools.toolbox import inspector_tools, profiler_tools
from ape.tools.workbench import Workbench

ARGUMENTS: dict[str, dict[str, Any]] = {"stl": {"periods": [50]}, "matrix_profile": {"window": 50}}
ARGUMENTS |= {"regimes": {"window": 50}, "find_similar_stretches": {"begin": 100, "end": 160}}
ARGUMENTS |= {"coherence": {"first": "c0", "second": "c0"}}
ARGUMENTS |= {"render_channels": {"channels": ["c0"]}, "render_stl": {"period": 50}}
ARGUMENTS |= {"render_matrix_profile": {"window": 50}}
ARGUMENTS |= {"render_cycles": {"period": 50}, "render_zoom": {"begin": 20, "end": 120}}

NOISE, OTHER_NOISE = np.random.default_rng(0).normal(size=(2, 4000))


def sine(period: float, length: int = 4000) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(length) / period)


INK = np.array([int(LINE_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])


def inked(png: bytes) -> np.ndarray:
    """Return where the line is, [height, width]."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return np.abs(pixels - INK).sum(axis=2) <= 60


def workbench(values: np.ndarray, folder: Path, train_end: int | None = None) -> Workbench:
    columns = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    names = tuple(f"c{i}" for i in range(columns.shape[1]))
    return Workbench(Series(columns, names, train_end), Artefacts(folder))


def all_answers(bench: Workbench) -> dict[str, str]:
    """JSON result of every tool for the first channel."""
    return {
        tool.name: tool.invoke(({"channel": "c0"} if "channel" in tool.args else {}) | ARGUMENTS.get(tool.name, {}))
        for tool in profiler_tools(bench) + inspector_tools(bench)
    }


@pytest.fixture
def ask(tmp_path):
    """Call one tool on one series and return the parsed result."""

    def call(values: np.ndarray, tool: str, **arguments: Any) -> dict[str, Any]:
        bench = workbench(values, tmp_path)
        tools = {t.name: t for t in profiler_tools(bench) + inspector_tools(bench)}
        return json.loads(tools[tool].invoke(arguments if tool == "correlation" else {"channel": "c0"} | arguments))

    return call


@pytest.fixture
def wave() -> np.ndarray:
    """Thirty cycles of 50 samples with a little noise."""
    steps = np.arange(1500)
    noise = np.random.default_rng(0).normal(size=1500)
    return np.sin(2 * np.pi * steps / 50) + 0.3 * np.cos(4 * np.pi * steps / 50) + 0.05 * noise
