"""Workbenches over small series with known answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.toolbox import inspector_tools, profiler_tools
from ape.tools.workbench import Workbench

ARGUMENTS: dict[str, dict[str, Any]] = {"stl": {"periods": [50]}, "matrix_profile": {"window": 50}}
ARGUMENTS |= {"regimes": {"window": 50}, "find_similar_stretches": {"begin": 100, "end": 160}}
ARGUMENTS |= {"coherence": {"first": "c0", "second": "c0"}}
ARGUMENTS |= {"render_channels": {"channels": ["c0"]}, "render_stl": {"period": 50}}
ARGUMENTS |= {"render_matrix_profile": {"window": 50}}
ARGUMENTS |= {"render_cycles": {"period": 50}, "render_zoom": {"begin": 20, "end": 120}}


def workbench(values: np.ndarray, folder: Path, train_end: int | None = None) -> Workbench:
    columns = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    names = tuple(f"c{i}" for i in range(columns.shape[1]))
    return Workbench(Series(columns, names, train_end), Artefacts(folder))


def all_answers(bench: Workbench, channel: str = "c0") -> dict[str, str]:
    """Raw answer of every tool."""
    return {
        tool.name: tool.invoke(({"channel": channel} if "channel" in tool.args else {}) | ARGUMENTS.get(tool.name, {}))
        for tool in profiler_tools(bench) + inspector_tools(bench)
    }


@pytest.fixture
def ask(tmp_path):
    """Ask one tool about one series: its answer as data."""

    def asked(values: np.ndarray, tool: str, **arguments: Any) -> dict[str, Any]:
        bench = workbench(values, tmp_path)
        tools = {t.name: t for t in profiler_tools(bench) + inspector_tools(bench)}
        return json.loads(tools[tool].invoke(arguments if tool == "correlation" else {"channel": "c0"} | arguments))

    return asked


@pytest.fixture
def wave() -> np.ndarray:
    """Thirty cycles of 50 samples, lightly noisy."""
    steps = np.arange(1500)
    noise = np.random.default_rng(0).normal(size=1500)
    return np.sin(2 * np.pi * steps / 50) + 0.3 * np.cos(4 * np.pi * steps / 50) + 0.05 * noise
