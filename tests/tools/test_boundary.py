"""What crosses the border between agents and tools: plain, small, the training part alone, errors as answers."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ape.series import Series
from ape.tools.artefacts import Artefacts
from ape.tools.plain import to_plain
from ape.tools.toolbox import inspector_tools, profiler_tools
from ape.tools.workbench import Workbench

from .conftest import all_answers, workbench


@dataclass(frozen=True)
class Pair:
    left: np.float32
    right: tuple[float, ...]


def test_plain_values_by_hand():
    given_values = {
        "a": np.float64(1.23456),
        2: np.array([np.nan, np.inf, 123456.0]),
        "n": np.int64(123456),
        "t": np.True_,
        "max": 1.7976e308,
    }
    assert to_plain(given_values) == {"a": 1.235, "2": [None, None, 123500.0], "n": 123456, "t": True, "max": None}
    assert to_plain(Pair(np.float32(0.1), (1e-9, -0.0))) == {"left": 0.1, "right": [1e-9, 0.0]}


@pytest.mark.parametrize("handle", [object(), {1, 2}, b"bytes", np.datetime64("2024-01-01"), Pair])
def test_plain_refuses_anything_else(handle):
    with pytest.raises(TypeError):
        to_plain({"inner": [handle]})


@given(st.floats(-1e300, 1e300))
def test_plain_floats_keep_four_digits(value):
    plain = to_plain(np.float64(value))
    assert type(plain) is float
    assert plain == pytest.approx(value, rel=5.1e-4)


def test_every_answer_is_small_json_with_short_lists(tmp_path, wave):
    rng = np.random.default_rng(1)
    values = np.column_stack(
        [1e6 * wave + 123456.789 * rng.normal(size=1500)] + [rng.normal(size=1500) for _ in range(20)]
    )
    for name, answer in all_answers(workbench(values, tmp_path)).items():
        assert len(answer) < 1500, name
        assert "error" not in json.loads(answer), name
        assert all(len(value) <= 12 for value in json.loads(answer).values() if isinstance(value, list)), name


def test_nothing_after_train_end_reaches_a_tool(tmp_path, wave):
    other = wave.copy()
    other[1000:] = 1e4 * np.random.default_rng(2).normal(size=500)
    first = all_answers(workbench(wave, tmp_path / "a", train_end=1000))
    second = all_answers(workbench(other, tmp_path / "b", train_end=1000))
    assert first == second
    assert first != all_answers(workbench(other[200:], tmp_path / "c", train_end=1000))


def test_a_workbench_holds_neither_the_rest_nor_the_name(tmp_path, wave):
    stamps = np.arange(1500).astype("datetime64[s]").astype("datetime64[ns]")
    column = wave.astype(np.float32)[:, None]
    series = Series(column, ("c0",), 1000, stamps, "some text", "secret_name", ("a note",))
    bench = Workbench(series, Artefacts(tmp_path))
    assert len(bench.series.values) == len(bench.series.timestamps) == len(bench.column("c0")) == 1000
    assert "secret" not in repr(bench)
    assert bench.series.text == "some text"
    assert bench.column("c0").dtype == np.float64
    np.testing.assert_array_equal(bench.column("c0"), column[:1000, 0])


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
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
def test_errors_are_answers_that_name_the_matter(tmp_path, wave, tool, arguments, told):
    bench = workbench(wave, tmp_path)
    tools = {t.name: t for t in profiler_tools(bench) + inspector_tools(bench)}
    answer = json.loads(tools[tool].invoke(arguments))
    assert list(answer) == ["error"]
    assert told in answer["error"]
    assert len(answer["error"]) <= 400


AWKWARD = {
    "constant": np.full(300, 3.0),
    "zeros": np.zeros(300),
    "short": np.arange(5.0),
    "one": np.ones(1),
    "single spike": np.eye(1, 300, 150)[0],
    "step": np.repeat([0.0, 1.0], 150),
    "binary": np.random.default_rng(0).integers(0, 2, 300).astype(float),
    "ramp": np.arange(300.0),
    "huge": 1e30 * np.sin(np.arange(300.0)),
    "tiny": 1e-30 * np.sin(np.arange(300.0)),
    "far off": 1e7 + np.random.default_rng(0).normal(size=300),
    "half constant": np.concatenate([np.zeros(150), np.sin(np.arange(150.0))]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", AWKWARD)
def test_awkward_series_never_raise(tmp_path, kind):
    for name, answer in all_answers(workbench(AWKWARD[kind], tmp_path)).items():
        assert isinstance(json.loads(answer), dict), name
        assert len(answer) < 1500


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=200))
def test_plain_measurements_never_raise(tmp_path_factory, values):
    bench = workbench(np.array(values), tmp_path_factory.mktemp("store"))
    for tool in profiler_tools(bench)[:5]:
        assert isinstance(json.loads(tool.invoke({"channel": "c0"})), dict)


def test_tools_tell_a_model_what_they_do_and_want(tmp_path, wave):
    bench = workbench(wave, tmp_path)
    for tool in profiler_tools(bench) + inspector_tools(bench):
        assert len(tool.description) > 80, tool.name
        assert all(argument.get("description") for argument in tool.args.values()), tool.name
