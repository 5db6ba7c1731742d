"""Which tools the guide has, and what they see: the training part alone, and the scored series once there is one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from ape.graphs.conversation import (
    ConversationContext,
    Scored,
    benign_question,
    conversation_tools,
    what_is_normal,
)
from ape.graphs.desk import Desk
from ape.rules import RuleDraft, broad_rule
from ape.series import from_array, from_dataframe
from ape.tools.artefacts import Artefacts
from ape.tools.boundary import agent_tool
from ape.tools.workbench import Workbench

VALUES = np.sin(2 * np.pi * np.arange(1500) / 30) + 0.05 * np.random.default_rng(0).normal(size=1500)
VALUES[1200:] += 100  # later values are recognised


@pytest.fixture
def bench(tmp_path) -> Workbench:
    return Workbench(from_array(VALUES, train_end=1200), Artefacts(tmp_path))


@agent_tool
def show_events() -> dict[str, int]:
    """Show events."""
    return {"count": 1}


def draft_of_event(rank, at):
    return broad_rule("level_shift").model_copy(update={"id": "normal-event"})


SCORED = Scored({"points": 1500}, [show_events], {}, lambda: {}, draft_of_event)


def tools_of(bench, scored):
    context = ConversationContext(bench, None, None, 0, None, None, lambda: scored)  # type: ignore[arg-type]
    desk = Desk(bench, 0)
    return desk, {tool.name: tool for tool in conversation_tools(desk, context, scored)}


def test_events_can_be_asked_about_once_there_are_scores(bench):
    _, before = tools_of(bench, None)
    _, after = tools_of(bench, SCORED)
    assert set(after) - set(before) == {"show_events", "add_benign_event"}


@pytest.mark.parametrize("scored", [None, SCORED])
def test_measuring_and_mining_see_the_training_part_alone(bench, scored):
    _, tools = tools_of(bench, scored)
    assert json.loads(tools["describe_series"].invoke({}))["training_points"] == 1200
    assert json.loads(tools["robust_stats"].invoke({"channel": "value"}))["maximum"] < 50
    shown = json.loads(tools["render_overview"].invoke({"channel": "value"}))
    assert shown["end"] == 1200 and max(shown["y_range"]) < 50
    assert "error" in json.loads(tools["render_zoom"].invoke({"channel": "value", "begin": 1100, "end": 1300}))


def test_an_event_that_is_normal_becomes_a_benign_rule(bench):
    desk, tools = tools_of(bench, SCORED)
    added = json.loads(tools["add_benign_event"].invoke({"rank": 1, "asked": "that is normal"}))
    assert [item.quote for item in desk.rules["normal-event"].evidence] == ["that is normal"]
    assert added["benign"] and desk.bank().rules == [] and [rule.id for rule in desk.bank().benign] == ["normal-event"]


def test_question_about_a_benign_rule_says_what_is_no_longer_reported(bench):
    desk, _ = tools_of(bench, None)
    draft = broad_rule("level_shift").model_dump(mode="json", exclude={"history"})
    draft["context"] |= {"hours": {"low": 23, "high": 25}, "weekdays": [6], "channels": ["flow"]}
    text = what_is_normal(RuleDraft.model_validate(draft), desk)
    assert "step in flow" in text and "from 23:00 to 1:00" in text and "Sunday" in text


def test_question_names_the_benign_rules_for_the_same_time(tmp_path):
    times = pd.date_range("2026-03-02", periods=1500, freq="10min")
    series = from_dataframe(pd.DataFrame({"time": times, "value": VALUES}), train_end=1200)
    desk = Desk(Workbench(series, Artefacts(tmp_path)), 0)
    draft = broad_rule("level_shift").model_dump(mode="json", exclude={"history"})
    night = {**draft, "context": {**draft["context"], "hours": {"low": 25, "high": 27}}}
    assert benign_question(desk, {"draft": night}).startswith("Take this as normal from the next training on:")
    desk.put_benign(RuleDraft.model_validate({**night, "id": "backup"}), "the backup is normal")
    assert "taken as normal then already (backup)" in benign_question(desk, {"draft": {**night, "id": "other"}})
    noon = {**night, "id": "noon", "context": {**night["context"], "hours": {"low": 12, "high": 13}}}
    assert "already" not in benign_question(desk, {"draft": noon})


def test_notes_say_what_is_normal_before_mining(tmp_path):
    text = "The nightly backup at 02:00 is normal, do not alert on it.\nThe sensor sometimes gets stuck."
    bench = Workbench(from_array(VALUES, train_end=1200, text=text), Artefacts(tmp_path))
    _, tools = tools_of(bench, None)
    answer = json.loads(tools["list_normal"].invoke({}))
    assert answer["said"] == [text.splitlines()[0]] and not answer["mined"]
