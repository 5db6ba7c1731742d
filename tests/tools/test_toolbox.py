"""Properties of all tools: small results, the training part alone, no exceptions, descriptions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import with_gaps

from ape.tools.toolbox import inspector_tools, profiler_tools
from ape.tools.workbench import Workbench

from .conftest import all_answers, sine, workbench


def test_every_result_is_small_json_with_short_lists(tmp_path, wave):
    rng = np.random.default_rng(1)
    values = np.column_stack(
        [1e6 * wave + 123456.789 * rng.normal(size=1500)] + [rng.normal(size=1500) for _ in range(20)]
    )
    for name, answer in all_answers(workbench(values, tmp_path)).items():
        assert len(answer) < 1500, name
        assert "error" not in json.loads(answer), name
        assert all(len(value) <= 12 for value in json.loads(answer).values() if isinstance(value, list)), name


def test_values_after_train_end_do_not_change_results(tmp_path, wave):
    values, other = wave[:900], wave[:900].copy()
    other[600:] = 1e4 * np.random.default_rng(2).normal(size=300)
    first = all_answers(workbench(values, tmp_path / "a", train_end=600))
    assert first == all_answers(workbench(other, tmp_path / "b", train_end=600))
    shifted = {tool.name: tool for tool in profiler_tools(workbench(other[200:], tmp_path / "c", train_end=600))}
    assert first["robust_stats"] != shifted["robust_stats"].invoke({"channel": "c0"})


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
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in ("one", "half constant") else pytest.mark.extended) for kind in AWKWARD],
)
def test_awkward_series_do_not_raise(tmp_path, kind):
    for name, answer in all_answers(workbench(AWKWARD[kind], tmp_path)).items():
        assert isinstance(json.loads(answer), dict), name
        assert len(answer) < 1500


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=200))
def test_measurements_of_arbitrary_values_do_not_raise(tmp_path_factory, values):
    bench = workbench(np.array(values), tmp_path_factory.mktemp("store"))
    for tool in profiler_tools(bench)[:5]:
        assert isinstance(json.loads(tool.invoke({"channel": "c0"})), dict)


def test_every_tool_and_argument_has_a_description(tmp_path, wave):
    bench = workbench(wave, tmp_path)
    for tool in profiler_tools(bench) + inspector_tools(bench):
        assert len(tool.description) > 80, tool.name
        assert all(argument.get("description") for argument in tool.args.values()), tool.name


CUT = 600  # the stretch after it is longer
POSITIONS = {  # fields with positions, by tool
    "find_similar_stretches": "similar", "spectral_residual": "salient", "regimes": "borders",
}  # fmt: skip
OF_ALL_STRETCHES = {"matrix_profile", "find_similar_stretches", "change_points", "stationarity", "correlation"}


def test_a_gap_is_no_jump_and_no_change_of_phase(tmp_path, wave):
    values = np.concatenate([wave[:CUT] + 50, wave[10:]])
    cut = workbench(values, tmp_path / "cut")
    cut = Workbench(with_gaps(cut.series, CUT), cut.artefacts)
    answers = {name: json.loads(answer) for name, answer in all_answers(cut).items()}
    alone = {name: json.loads(answer) for name, answer in all_answers(workbench(wave[10:], tmp_path / "b")).items()}
    for name in set(answers) - OF_ALL_STRETCHES:
        if name.startswith("render_") or name in ("describe_series", "read_text", "sampling"):
            continue
        for answer in (answers[name], alone[name]):
            answer.pop("artefact", None)
        if name in POSITIONS:
            for place in alone[name][POSITIONS[name]]:
                place["position"] += CUT
        if name == "stl":
            alone[name]["analysed"] = [at + CUT for at in alone[name]["analysed"]]
        assert answers[name] == alone[name], name
    crossing = range(CUT - 49, CUT)
    listed = answers["matrix_profile"]["motifs"] + answers["matrix_profile"]["discords"]
    assert not {place["position"] for place in listed} & set(crossing)
    assert not {place["position"] for place in answers["find_similar_stretches"]["similar"]} & set(range(541, CUT))
    assert answers["change_points"]["positions"] == [CUT]
    similar = next(tool for tool in profiler_tools(cut) if tool.name == "find_similar_stretches")
    refusal = json.loads(similar.invoke({"channel": "c0", "begin": CUT - 20, "end": CUT + 40}))["error"]
    assert refusal == "there is a gap from 580 to 640; stretches without a gap: 0 to 600, 600 to 2090"


def test_every_position_in_an_answer_has_its_time(tmp_path):
    rng = np.random.default_rng(0)
    values = sine(50, 1500) + 0.05 * rng.normal(size=1500) + 2.0 * (np.arange(1500) > 900)
    stamps = np.datetime64("2024-05-01", "ns") + np.arange(1500) * np.timedelta64(60, "s")
    bench = workbench(values, tmp_path)
    bench = Workbench(replace(bench.series, timestamps=stamps, step=60.0), bench.artefacts)
    answers = {name: json.loads(text) for name, text in all_answers(bench).items()}
    found = [each for answer in answers.values() for part in answer.values() for each in _records(part)]
    assert len(found) > 10
    for each in found:
        assert each["time"] == str(bench.series.time_text(each["position"]))
    assert len(answers["change_points"]["times"]) == len(answers["change_points"]["positions"]) > 0
    pictures = [answer for answer in answers.values() if "begin" in answer and "period" not in answer]
    assert len(pictures) > 4 and all(each["first_time"] == bench.time(each["begin"]) for each in pictures)


def _records(part):
    return [each for each in part if isinstance(each, dict) and "position" in each] if isinstance(part, list) else []
