"""Errors of tools as results for agents."""

from __future__ import annotations

import json

import pytest

from ape.tools.toolbox import inspector_tools, profiler_tools

from .conftest import workbench


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("robust_stats", {"channel": "nope"}, "c0"),
        ("robust_stats", {}, "channel"),
        ("stl", {"channel": "c0", "periods": [1]}, "1 samples"),
        ("stl", {"channel": "c0", "periods": []}, "periods"),
        ("stl", {"channel": "c0", "periods": [501]}, "501"),
        ("matrix_profile", {"channel": "c0", "window": 900}, "900"),
        ("matrix_profile", {"channel": "c0", "window": "wide"}, "window"),
        ("render_cycles", {"channel": "c0", "period": 501}, "501"),
        ("render_zoom", {"channel": "c0", "begin": 10, "end": 2000}, "1500"),
        ("render_zoom", {"channel": "c0", "begin": 100, "end": 90}, "100"),
    ],
)
def test_errors_are_results_that_name_the_cause(tmp_path, wave, tool, arguments, expected):
    bench = workbench(wave, tmp_path)
    tools = {t.name: t for t in profiler_tools(bench) + inspector_tools(bench)}
    answer = json.loads(tools[tool].invoke(arguments))
    assert list(answer) == ["error"]
    assert expected in answer["error"]
    assert len(answer["error"]) <= 400
