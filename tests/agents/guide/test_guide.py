"""The embedded guide: which requests become which tool calls, and what it says if it does not understand."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents.expert.model import ExpertChatModel
from ape.agents.expert.transcript import ToolResult
from ape.agents.guide.answers import summarise
from ape.agents.prompts import SYSTEM
from ape.rules import RuleDraft

KNOWN = {
    "channels": ["flow", "pressure"], "period": 50, "step_seconds": 60.0, "dropped": ["spike-local"], "changes": 3,
    "rules": ["level-jump", "level-jump-2", "reading-stuck"],
    "kinds": {
        "level-jump": ["abrupt_change", "step"], "level-jump-2": ["abrupt_change", "step"],
        "reading-stuck": ["stuck_sensor", "plateau"], "spike-local": ["transient", "spike"],
    },
}  # fmt: skip

SCORED = {"points": 9000, "first_time": "2026-02-01 00:00:00", "last_time": "2026-03-14 23:50:00"}
STUCK = "add a rule: the sensor gets stuck for 1 to 3 seconds"


def reply_to(*texts: str, **known) -> AIMessage:
    """Return the guide's reply to the last text, with the others earlier in the conversation."""
    task = json.dumps(KNOWN | known)
    messages = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"What is known:\n```json\n{task}\n```")]
    for text in texts[:-1]:
        messages += [HumanMessage(text), AIMessage("All right.")]
    messages.append(HumanMessage(texts[-1]))
    return reply_of(messages)


def reply_of(messages) -> AIMessage:
    """Return the guide's next message, with all tools."""
    names = (
        "describe_series", "read_text", "robust_stats", "autocorrelation", "spectrum", "stl", "matrix_profile",
        "change_points",
        "render_overview", "render_zoom", "render_cycles", "render_stl", "render_matrix_profile", "render_spectrogram",
        "list_rules", "add_rule", "change_rule", "drop_rule", "restore_rule", "show_examples", "why_rule",
        "compare_banks", "mine_rules", "train_and_score", "add_benign_rule", "undo", "try_kind", "list_sentences",
        "list_normal", "correlation", "show_scores", "show_events", "explain_event", "show_stretch", "show_alert_rates",
        "set_alert_rate", "compare_scores", "export_events", "add_benign_event",
    )  # fmt: skip
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return ExpertChatModel().invoke(messages, tools=tools)


def call(*texts: str, **known) -> tuple[str, dict]:
    calls = reply_to(*texts, **known).tool_calls
    assert len(calls) >= 1, texts
    return calls[0]["name"], calls[0]["args"]


@pytest.mark.parametrize(
    ("request_text", "tool", "arguments"),
    [
        ("What does the series do?", "describe_series", {}),
        ("how long is its period?", "autocorrelation", {"channel": "flow"}),
        ("show me the spectrum of pressure", "spectrum", {"channel": "pressure"}),
        ("is there a trend?", "stl", {"channel": "flow", "periods": [50]}),
        ("where is it odd?", "matrix_profile", {"channel": "flow", "window": 50}),
        ("where does it change?", "change_points", {"channel": "flow"}),
        ("show 900 to 200", "render_zoom", {"channel": "flow", "begin": 200, "end": 900}),
        (
            "show pressure from 2024-06-07 08:00 to 12:00",
            "render_zoom",
            {"channel": "pressure", "begin": "2024-06-07 08:00", "end": "2024-06-07 12:00"},
        ),
        ("show 2024-04-15", "render_zoom", {"channel": "flow", "begin": "2024-04-15", "end": "2024-04-15"}),
        ("mine", "mine_rules", {}),
        ("how could this go wrong?", "mine_rules", {}),
        ("list the rules", "list_rules", {}),
        ("why is the level jump there?", "why_rule", {"rule_id": "level-jump"}),
        ("twenty examples of reading stuck", "show_examples", {"rule_id": "reading-stuck", "count": 20}),
        ("compare with the mined ones", "compare_banks", {"version": 1}),
        ("what changed since 2", "compare_banks", {"version": 2}),
        ("go", "train_and_score", {}),
    ],
)
def test_request_becomes_a_call(request_text, tool, arguments):
    assert call(request_text) == (tool, arguments)


@pytest.mark.parametrize(
    ("request_text", "tool", "arguments"),
    [
        ("show me the scores", "show_scores", {}),
        ("events", "show_events", {}),
        ("show me the events", "show_events", {}),
        ("Where is it anomalous?", "show_events", {}),
        ("where is it odd?", "show_events", {}),
        ("the top five anomalies", "show_events", {"top": 5}),
        ("are there any anomalies since 1 March?", "show_events", {"begin": "2026-03-01", "end": "2026-03-14 23:50"}),
        ("events in pressure", "show_events", {"channel": "pressure"}),
        ("why is that an anomaly?", "show_events", {}),
        ("why was 7 March 12:30 flagged?", "explain_event", {"at": "2026-03-07 12:30"}),
        ("why event 2?", "explain_event", {"rank": 2}),
        ("what is the threshold?", "show_alert_rates", {}),
        ("how many alerts would that have been?", "show_alert_rates", {}),
        ("fewer alerts, please", "set_alert_rate", {"direction": "fewer"}),
        ("accept 2 false alarms a day", "set_alert_rate", {"number": 2.0, "per": "day"}),
        ("show last week", "show_stretch", {"begin": "2026-03-07 23:51", "end": "2026-03-14 23:50"}),
        ("show 7900 to 8100", "show_stretch", {"begin": 7900, "end": 8100}),
        ("is it better than before, and how do you know?", "compare_scores", {}),
        ("export the events", "export_events", {}),
    ],
)
def test_request_about_the_scored_series(request_text, tool, arguments):
    assert call(request_text, scored=SCORED) == (tool, arguments)


@pytest.mark.parametrize("request_text", ["events", "what is the threshold", "fewer alerts", "why event 2", "export"])
def test_scores_are_needed_for_events(request_text):
    reply = reply_to(request_text)
    assert reply.tool_calls == [] and "nothing was scored yet" in reply.content and "say 'go' first" in reply.content


@pytest.mark.parametrize(
    ("request_text", "tool"),
    [
        ("show twenty examples of anomalies of level-jump", "show_examples"),
        ("what does an anomaly of reading-stuck look like", "show_examples"),
        ("why are reading-stuck anomalies there?", "why_rule"),
        ("make level-jump events rarer", "change_rule"),
    ],
)
def test_a_request_about_a_rule_may_speak_of_anomalies(request_text, tool):
    assert call(request_text)[0] == tool


@pytest.mark.parametrize(
    ("request_text", "change"),
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
        ("level-jump only at night", {"hours": {"low": 21.0, "high": 30.0}}),
        ("level-jump only between 8 and 17 h", {"hours": {"low": 8.0, "high": 17.0}}),
        ("level-jump only between 22 and 6 h", {"hours": {"low": 22.0, "high": 30.0}}),
        ("level-jump only when the value is high", {"level": ["high"]}),
        ("level-jump only when it is quiet", {"activity": ["low"]}),
        ("level-jump only on pressure", {"channels": ["pressure"]}),
        ("let level-jump happen anywhere", {"anywhere": True}),
        (
            "make level-jump slower, only at night",
            {"gradual": True, "length": 1.5, "hours": {"low": 21.0, "high": 30.0}},
        ),
    ],
)
def test_request_changes_a_rule(request_text, change):
    assert call(request_text) == ("change_rule", {"rule_id": "level-jump", "asked": request_text, **change})


def test_it_refers_to_the_rule_mentioned_last():
    assert call("why reading-stuck?", "drop it")[1]["rule_id"] == "reading-stuck"
    assert call("why level-jump?", "why reading-stuck?", "make it longer")[1]["rule_id"] == "reading-stuck"


def test_guide_asks_which_rule_if_several_were_mentioned():
    reply = reply_to("why level-jump and reading-stuck?", "make it longer")
    assert reply.tool_calls == [] and "Which rule" in reply.content


def test_longest_matching_name_counts():
    assert call("drop level-jump-2")[1]["rule_id"] == "level-jump-2"
    assert call("restore spike local")[1]["rule_id"] == "spike-local"


@pytest.mark.parametrize("request_text", ["sing a song", "ok", "delete the weekend", "?", "make level-jump blue"])
def test_unclear_request_gets_an_answer_and_no_call(request_text):
    known = {"rules": [], "dropped": []} if "weekend" in request_text else {}
    reply = reply_to(request_text, **known)
    assert reply.tool_calls == [] and len(reply.content) > 20


def test_bound_to_dates_is_refused():
    reply = reply_to("make level-jump happen only in winter")
    assert reply.tool_calls == [] and "but not to dates" in reply.content


def test_rule_is_bound_to_days_of_the_week():
    assert call("make level-jump happen only on weekends")[1]["weekdays"] == [5, 6]
    assert call("level-jump only during office hours on weekdays")[1]["weekdays"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("request_text", "mechanism", "low", "high"),
    [
        ("add a rule: the sensor gets stuck for 20 to 40 samples", "stuck_sensor", 20, 40),
        ("please add a failure mode: the pressure drifts away slowly for 10 to 30 minutes", "gradual_drift", 10, 30),
        ("add a rule: the flow falls by half for 5 to 9 minutes", "abrupt_change", 5, 9),
    ],
)
def test_request_adds_a_rule(request_text, mechanism, low, high):
    name, arguments = call(request_text)
    draft = RuleDraft.model_validate(arguments["draft"])
    assert name == "add_rule" and arguments["asked"] == request_text
    duration = draft.duration
    assert (draft.mechanism, duration.low, duration.high, duration.unit) == (mechanism, low, high, "samples")
    assert draft.id not in KNOWN["rules"] and draft.evidence[0].quote in request_text


def reply_after_reading(*lines: str) -> AIMessage:
    """Return the guide's reply to `STUCK` after it has read the scenario's text."""
    known = json.dumps(KNOWN | {"step_seconds": None})
    messages = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{known}\n```")]
    numbered = [{"line": number, "text": line} for number, line in enumerate(lines, 1)]
    body = {"evidence": "x", "arguments": {}, "result": {"lines": numbered, "more": False}}
    return reply_of([*messages, HumanMessage(STUCK), ToolMessage(json.dumps(body), tool_call_id="1", name="read_text")])


def test_sampling_step_is_looked_up_in_the_text():
    assert call(STUCK, step_seconds=None) == ("read_text", {})
    (added,) = reply_after_reading("A heart.", "Sampled at 100 Hz.").tool_calls
    assert added["args"]["draft"]["duration"] == {"low": 100.0, "high": 300.0, "unit": "samples"}


def test_unknown_sampling_step_is_not_guessed():
    reply = reply_after_reading("A heart.")
    assert reply.tool_calls == [] and "how far apart the samples are" in reply.content
    (added,) = reply_to(f"{STUCK}, sampled at 50 Hz", step_seconds=None).tool_calls
    assert added["args"]["draft"]["duration"] == {"low": 50.0, "high": 150.0, "unit": "samples"}


def test_rule_without_a_known_failure_is_not_added():
    assert reply_to("add a rule: purple").tool_calls == []


def test_results_and_errors_are_reported():
    task = json.dumps(KNOWN)
    begin = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{task}\n```"), HumanMessage("period?")]
    body = {"evidence": "x", "arguments": {}, "result": {"period": 50}}
    reply = reply_of([*begin, ToolMessage(json.dumps(body), tool_call_id="1", name="autocorrelation")])
    assert "every 50 samples" in reply.content and not reply.tool_calls
    body["result"] = {"error": "the channel is constant"}
    reply = reply_of([*begin, ToolMessage(json.dumps(body), tool_call_id="1", name="autocorrelation")])
    assert "the channel is constant" in reply.content


def test_answers_name_the_times_of_positions():
    found = {"discords": [{"position": 700, "over_median": 3.0, "time": "2024-05-01 11:40:00+01:00"}]}
    assert "700 (2024-05-01 11:40:00+01:00, 3.0 times" in summarise(ToolResult("matrix_profile", {}, found, "x"))
    changes = {"positions": [5, 9], "times": ["a", "b"], "activity_positions": [7]}
    answer = summarise(ToolResult("change_points", {}, changes, "x"))
    assert answer == "The level changes at 5 (a), 9 (b). The activity changes at 7."
    shown = {"begin": 0, "end": 9, "first_time": "a", "last_time": "b"}
    answer = summarise(ToolResult("render_zoom", {"channel": "flow"}, shown, "x"))
    assert answer == "The picture shows flow, positions 0 to 8, a to b."
    assert summarise(ToolResult("autocorrelation", {"channel": "flow"}, {"period": 96}, "x"), 900.0) == (
        "flow repeats every 96 samples (1 d)."
    )
    spread = {"minimum": 1, "maximum": 9, "median": 5, "quantiles": {"0.05": 2, "0.95": 8}}
    assert summarise(ToolResult("robust_stats", {"channel": "flow"}, spread, "x")).startswith("Values of flow range")
    answer = summarise(ToolResult("matrix_profile", {"channel": "flow"}, found | {"window": 96}, "x"), 900.0)
    assert answer.startswith("The most unusual stretches of flow, 96 samples (1 d) long, begin at 700 (2024-05-01")
    answer = summarise(ToolResult("render_cycles", {"channel": "flow"}, {"period": 50, "begin": 0, "end": 50}, "x"))
    assert answer == "The picture shows flow, cycles of 50 samples over each other."


@pytest.mark.parametrize("request_text", ["show 2024-06-07 08:00", "show 8 o'clock", "zoom to 5"])
def test_stretch_without_an_end_is_asked_for(request_text):
    reply = reply_to(request_text, first_time="2024-06-01 00:00", last_time="2024-06-09 00:00")
    assert reply.tool_calls == [] and "show 2024-06-01 00:00 to 2024-06-09 00:00" in reply.content


LIKE = [("level-jump", 0.9), (None, None), ("none of the rules", 0.6), *7 * [("level-jump", 0.5)]]
FOUND = {
    "count": 12, "threshold": 3.63, "accepted_false_alarms": "1 a week", "whole_series": False,
    "events": [
        {
            "rank": rank, "when": f"2026-03-0{rank} 13:14 to 14:11", "channels": ["a|b", "flow"], "like": like,
            "probability": probability, "score": 10.0, "by_chance_once_in": "4 months", "what": f"because {rank}",
        }
        for rank, (like, probability) in enumerate(LIKE, 1)
    ],
}  # fmt: skip


def test_events_are_a_table_with_the_reasons_of_the_worst():
    text = summarise(ToolResult("show_events", {}, FOUND, ""))
    verdict, table, reasons = text.split("\n\n")
    assert verdict.startswith(
        "12 events. The threshold is a score of 3.63; accepted false alarms in normal data: 1 a week"
    )
    assert "the worst 10; events.csv lists all" in verdict and "No end of the training part" not in verdict
    lines = table.splitlines()
    assert len(lines) == 12 and all(line.replace(r"\|", "").count("|") == 7 for line in lines)
    assert lines[2] == (r"| 1 | 2026-03-01 13:14 to 14:11 | a\|b, flow | level-jump, 90 % | 10.0 | 4 months |")
    assert "| - |" in lines[3] and "none of the rules, 60 %" in lines[4]
    assert reasons.splitlines() == ["1. because 1", "2. because 2", "3. because 3"]


def test_no_event_is_said_with_the_threshold():
    text = summarise(ToolResult("show_events", {}, {**FOUND, "count": 0, "events": [], "whole_series": True}, ""))
    assert text.startswith("No event: no score reaches the threshold.") and "|" not in text
    assert "1 a week" in text and "No end of the training part" in text
