"""What agents can read before they measure: all channels, groups of channels, and whole lines of text."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ape.series import from_array
from ape.series.groups import channel_groups
from ape.tools.artefacts import Artefacts
from ape.tools.scenario import CHARACTERS, LISTED, scenario_tools
from ape.tools.workbench import Workbench


@pytest.fixture
def read(tmp_path):
    """Return the answers of the two tools for a series."""

    def make(series):
        tools = {tool.name: tool for tool in scenario_tools(Workbench(series, Artefacts(tmp_path)))}
        return lambda name, **given: json.loads(tools[name].invoke(given))

    return make


def grouped(rows: int = 400) -> np.ndarray:
    """Columns a, b, c go together, d goes with nothing, e is constant."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=rows)
    a, b, c = (base + 0.2 * rng.normal(size=rows) * k for k in (3, 0, 3))
    return np.stack([a, -b, c, rng.normal(size=rows), np.ones(rows)], axis=1)


def test_channels_that_go_together_are_one_group_whose_best_member_is_first():
    groups = channel_groups(grouped())
    assert [sorted(group) for group in groups] == [[0, 1, 2], [3]]
    assert groups[0][0] == 1  # the base of the others


def test_constant_channels_are_in_no_group():
    assert channel_groups(np.ones((50, 3))) == []
    assert channel_groups(np.stack([np.ones(50), np.arange(50.0)], axis=1)) == [[1]]


def test_every_channel_can_be_listed(read):
    names = [f"s{number}" for number in range(LISTED + 30)]
    ask = read(from_array(np.random.default_rng(0).normal(size=(200, len(names))), channels=names))
    first, second = ask("describe_series"), ask("describe_series", first_channel=LISTED + 1)
    assert first["channels"] + second["channels"] == names
    assert (first["more"], second["more"]) == (True, False)
    for answer in (first, second):
        sizes = {len(answer[key]) for key in ("channels", "relative_spread", "median", "robust_sd")}
        assert sizes == {len(answer["channels"])}
    assert ask("describe_series", first_channel=len(names) + 1)["channels"] == []


def test_groups_are_of_all_channels(read):
    answer = read(from_array(grouped(), channels=list("abcde")))("describe_series")
    assert [(group["representative"], group["size"]) for group in answer["groups"]] == [("b", 3), ("d", 1)]


def test_long_lines_are_read_whole_and_pages_end_between_lines(read):
    lines = [f"{number} " + "word " * 300 for number in range(12)]
    ask = read(replace(from_array(np.arange(200.0)), text="\n".join(lines)))
    got, more = [], True
    while more:
        answer = ask("read_text", first_line=len(got) + 1)
        got += [line["text"] for line in answer["lines"]]
        assert sum(len(line["text"]) for line in answer["lines"]) <= CHARACTERS
        more = answer["more"]
    assert got == lines
