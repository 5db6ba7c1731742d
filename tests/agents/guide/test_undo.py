"""What the guide undoes after a change of the rules, of the rate of alarms, a training and an export."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ape.agents.expert.transcript import parse_messages
from ape.agents.guide import guide
from ape.agents.prompts import SYSTEM

TASK = {
    "task": "converse", "channels": ["flow"], "rules": ["level-jump"], "dropped": [], "kinds": {}, "changes": 1,
    "scored": {"points": 100, "events": 2},
}  # fmt: skip
CHANGE = ("change_rule", {"rule_id": "level-jump", "asked": "make it longer"}, {"rule": "level-jump"})
TRAINING = ("train_and_score", {}, {"accepted": True})
EXPORT = ("export_events", {}, {"file": "events.csv"})


def rate(new, old):
    return ("set_alert_rate", {"number": new, "per": "week"}, {"before": {"number": old, "per": "week"}})


def undo(*deeds, request="undo", **known):
    """Return the guide's calls and answer to ``request`` after some deeds."""
    messages = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{json.dumps(TASK | known)}\n```")]
    for number, (tool, arguments, result) in enumerate(deeds):
        call = {"name": tool, "args": arguments, "id": str(number), "type": "tool_call"}
        body = json.dumps({"evidence": f"{tool}-1", "arguments": arguments, "result": result})
        messages += [HumanMessage("Go on."), AIMessage("", tool_calls=[call])]
        messages += [ToolMessage(body, name=tool, tool_call_id=str(number)), AIMessage("Done.")]
    transcript = parse_messages([*messages, HumanMessage(request)])
    calls = guide.next_calls(transcript)
    return calls, "" if calls else guide.answer(transcript)


def test_a_change_of_the_rules_is_undone():
    assert undo(TRAINING, CHANGE) == ([("undo", {})], "")


def test_a_rate_is_set_back_and_then_what_was_before_it():
    assert undo(CHANGE, rate(2, 1))[0] == [("set_alert_rate", {"number": 1, "per": "week"})]
    assert undo(CHANGE, rate(2, 1), rate(3, 2), rate(2, 3))[0] == [("set_alert_rate", {"number": 1, "per": "week"})]
    assert undo(CHANGE, rate(2, 1), rate(1, 2))[0] == [("undo", {})]


@pytest.mark.parametrize("refused", [{"error": "no"}, {"declined": "set_alert_rate"}])
def test_what_was_not_done_is_not_undone(refused):
    assert undo(CHANGE, (*rate(2, 1)[:2], refused))[0] == [("undo", {})]


def test_a_training_cannot_be_undone_and_the_last_change_is_named():
    calls, answer = undo(CHANGE, TRAINING)
    assert (
        calls == [] and "cannot be undone" in answer and "The last change of the rules was 'make it longer'." in answer
    )
    assert undo(CHANGE, TRAINING, request="undo the last change of the rules")[0] == [("undo", {})]
    assert "Say for example" not in undo(TRAINING, changes=0)[1]


def test_the_file_of_an_export_stays():
    calls, answer = undo(CHANGE, EXPORT)
    assert calls == [] and "its file stays" in answer


def test_nothing_is_undone_if_nothing_was_done():
    assert undo(changes=0) == ([], "There is nothing to undo: no rule was changed.")


@pytest.mark.parametrize(("events", "call"), [(1, ("explain_event", {"rank": 1})), (2, ("show_events", {}))])
def test_why_without_an_event_is_about_the_only_one_or_lists_them(events, call):
    assert undo(request="why was it flagged?", scored={"points": 100, "events": events})[0] == [call]
