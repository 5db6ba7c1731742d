"""The embedded guide: which words become which tool calls, and that it says so where it does not understand."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents.expert.model import ExpertChatModel
from ape.agents.prompts import SYSTEM
from ape.rules import RuleDraft

KNOWN = {
    "channels": ["flow", "pressure"], "period": 50, "step_seconds": 60.0, "dropped": ["spike-local"], "changes": 3,
    "rules": ["level-jump", "level-jump-2", "reading-stuck"],
}  # fmt: skip

MORNING = {"low": 6.0, "high": 12.0}


def asked(*texts: str, tools: tuple[str, ...] = (), **known) -> AIMessage:
    """What the guide says to the last text, the others having been said before."""
    task = json.dumps(KNOWN | known)
    messages = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"What is known:\n```json\n{task}\n```")]
    for text in texts[:-1]:
        messages += [HumanMessage(text), AIMessage("Well.")]
    messages.append(HumanMessage(texts[-1]))
    return offered(messages)


def offered(messages) -> AIMessage:
    names = (
        "describe_series", "read_text", "robust_stats", "autocorrelation", "spectrum", "stl", "matrix_profile",
        "change_points",
        "render_overview", "render_zoom", "render_cycles", "render_stl", "render_matrix_profile", "render_spectrogram",
        "list_rules", "add_rule", "change_rule", "drop_rule", "restore_rule", "show_examples", "why_rule",
        "compare_banks", "mine_rules", "train_and_score", "show_scores",
    )  # fmt: skip
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return ExpertChatModel().invoke(messages, tools=tools)


def call(*texts: str, **known) -> tuple[str, dict]:
    calls = asked(*texts, **known).tool_calls
    assert len(calls) >= 1, texts
    return calls[0]["name"], calls[0]["args"]


@pytest.mark.parametrize(
    ("said", "tool", "arguments"),
    [
        ("What does the series do?", "describe_series", {}),
        ("how long is its period?", "autocorrelation", {"channel": "flow"}),
        ("show me the spectrum of pressure", "spectrum", {"channel": "pressure"}),
        ("is there a trend?", "stl", {"channel": "flow", "periods": [50]}),
        ("where is it odd?", "matrix_profile", {"channel": "flow", "window": 50}),
        ("where does it change?", "change_points", {"channel": "flow"}),
        ("show 900 to 200", "render_zoom", {"channel": "flow", "begin": 200, "end": 900}),
        ("mine", "mine_rules", {}),
        ("how could this go wrong?", "mine_rules", {}),
        ("list the rules", "list_rules", {}),
        ("why is the level jump there?", "why_rule", {"rule_id": "level-jump"}),
        ("twenty examples of reading stuck", "show_examples", {"rule_id": "reading-stuck", "count": 20}),
        ("compare with the mined ones", "compare_banks", {"version": 1}),
        ("what changed since 2", "compare_banks", {"version": 2}),
        ("go", "train_and_score", {}),
        ("show me the scores", "show_scores", {}),
    ],
)
def test_words_become_the_call_that_they_mean(said, tool, arguments):
    assert call(said) == (tool, arguments)


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("make level-jump larger", {"size": 1.5}),
        ("make level-jump twice as large", {"size": 2.0}),
        ("make level-jump half as large", {"size": 0.5}),
        ("make level-jump 3 times smaller", {"size": pytest.approx(1 / 3)}),
        ("make level-jump twice as long", {"length": 2.0}),
        ("make level-jump shorter", {"length": 0.67}),
        ("make level-jump slower", {"gradual": True, "length": 1.5}),
        ("make level-jump more abrupt", {"gradual": False, "length": 0.67}),
        ("make level-jump rarer", {"weight": 0.67}),
        ("level-jump only at night", {"hours": {"low": 22.0, "high": 30.0}}),
        ("level-jump only between 8 and 17 h", {"hours": {"low": 8.0, "high": 17.0}}),
        ("level-jump only between 22 and 6 h", {"hours": {"low": 22.0, "high": 30.0}}),
        ("level-jump only when the value is high", {"level": ["high"]}),
        ("level-jump only when it is quiet", {"activity": ["low"]}),
        ("level-jump only on pressure", {"channels": ["pressure"]}),
        ("let level-jump happen anywhere", {"anywhere": True}),
        (
            "make level-jump slower, only at night",
            {"gradual": True, "length": 1.5, "hours": {"low": 22.0, "high": 30.0}},
        ),
    ],
)
def test_a_rule_is_edited_in_words(said, change):
    assert call(said) == ("change_rule", {"rule_id": "level-jump", "asked": said, **change})


def test_it_is_the_rule_that_was_spoken_of_last():
    assert call("why reading-stuck?", "drop it")[1]["rule_id"] == "reading-stuck"
    assert call("why level-jump?", "why reading-stuck?", "make it longer")[1]["rule_id"] == "reading-stuck"


def test_where_several_were_spoken_of_it_asks_which_one_is_meant():
    reply = asked("why level-jump and reading-stuck?", "make it longer")
    assert reply.tool_calls == [] and "Which rule" in reply.content


def test_the_longest_name_that_fits_is_meant():
    assert call("drop level-jump-2")[1]["rule_id"] == "level-jump-2"
    assert call("restore spike local")[1]["rule_id"] == "spike-local"


@pytest.mark.parametrize("said", ["sing a song", "ok", "delete the weekend", "?", "make level-jump blue"])
def test_what_it_does_not_understand_it_says_and_guesses_nothing(said):
    reply = asked(said, rules=[], dropped=[]) if "weekend" in said else asked(said)
    assert reply.tool_calls == [] and len(reply.content) > 20


def test_a_date_is_refused_in_words():
    reply = asked("make level-jump happen only on weekends")
    assert reply.tool_calls == [] and "not to dates" in reply.content


@pytest.mark.parametrize(
    ("said", "mechanism", "low", "high"),
    [
        ("add a rule: the sensor gets stuck for 20 to 40 samples", "stuck_sensor", 20, 40),
        ("please add a failure mode: the pressure drifts away slowly for 10 to 30 minutes", "gradual_drift", 10, 30),
        ("add a rule: the flow falls by half for 5 to 9 minutes", "abrupt_change", 5, 9),
    ],
)
def test_a_rule_is_added_in_words(said, mechanism, low, high):
    name, arguments = call(said)
    draft = RuleDraft.model_validate(arguments["draft"])
    assert name == "add_rule" and arguments["asked"] == said
    assert (draft.mechanism, draft.duration.low, draft.duration.high, draft.duration.unit) == (
        mechanism,
        low,
        high,
        "samples",
    )
    assert draft.id not in KNOWN["rules"] and draft.evidence[0].quote in said


STUCK = "add a rule: the sensor gets stuck for 1 to 3 seconds"


def after_reading(*lines: str, said: str = STUCK) -> AIMessage:
    """What the guide says once it has read the scenario's text."""
    messages = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{json.dumps(KNOWN | NO_STEP)}\n```")]
    numbered = [{"line": number, "text": line} for number, line in enumerate(lines, 1)]
    body = {"evidence": "x", "arguments": {}, "result": {"lines": numbered, "more": False}}
    return offered([*messages, HumanMessage(said), ToolMessage(json.dumps(body), tool_call_id="1", name="read_text")])


NO_STEP = {"step_seconds": None}


def test_a_length_in_seconds_is_looked_up_in_the_text_where_there_are_no_times():
    assert call(STUCK, **NO_STEP) == ("read_text", {})
    (added,) = after_reading("A heart.", "Sampled at 100 Hz.").tool_calls
    assert added["args"]["draft"]["duration"] == {"low": 100.0, "high": 300.0, "unit": "samples"}


def test_a_length_in_seconds_is_not_guessed():
    reply = after_reading("A heart.")
    assert reply.tool_calls == [] and "how far apart the samples are" in reply.content
    (added,) = asked(f"{STUCK}, sampled at 50 Hz", **NO_STEP).tool_calls
    assert added["args"]["draft"]["duration"] == {"low": 50.0, "high": 150.0, "unit": "samples"}


def test_a_rule_that_no_words_describe_is_not_added():
    assert asked("add a rule: purple").tool_calls == []


def test_results_are_told_and_errors_are_not_hidden():
    task = json.dumps(KNOWN)
    begin = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{task}\n```"), HumanMessage("period?")]
    body = {"evidence": "x", "arguments": {}, "result": {"period": 50}}
    told = offered([*begin, ToolMessage(json.dumps(body), tool_call_id="1", name="autocorrelation")])
    assert "every 50 samples" in told.content and not told.tool_calls
    body["result"] = {"error": "the channel is constant"}
    told = offered([*begin, ToolMessage(json.dumps(body), tool_call_id="1", name="autocorrelation")])
    assert "the channel is constant" in told.content
