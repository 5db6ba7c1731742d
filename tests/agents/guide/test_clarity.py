"""The guide never acts on a guess: it asks, takes up the answer, and names the nearest where it does not understand."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from ape.agents.expert.transcript import parse_messages
from ape.agents.guide import guide
from ape.agents.guide.intents import INTENTS
from ape.agents.prompts import SYSTEM

KNOWN = {
    "channels": ["flow", "p_suction_bar", "p_discharge_bar"], "period": 144, "step_seconds": 600.0, "changes": 2,
    "rules": ["level-jump", "level-drift", "reading-stuck", "reading-stuck-2"], "dropped": ["spike-local"],
    "kinds": {
        "level-jump": ["abrupt_change", "step"], "level-drift": ["gradual_drift", "ramp"],
        "reading-stuck": ["stuck_sensor", "plateau"], "reading-stuck-2": ["stuck_sensor", "plateau"],
        "spike-local": ["transient", "spike"],
    },
    "scored": {"points": 6048, "first_time": "2026-02-01 00:00:00", "last_time": "2026-03-14 23:50:00"},
}  # fmt: skip
ACTING = {
    "add_rule", "add_benign_rule", "add_benign_event", "change_rule", "drop_rule", "restore_rule", "undo", "mine_rules",
    "train_and_score", "set_alert_rate",
}  # fmt: skip


def respond(*texts: str, **known):
    """Return the calls and the answer to the last text; the texts before it are of the person and the guide in turn."""
    messages = [SystemMessage(SYSTEM["guide"]), HumanMessage(f"```json\n{json.dumps(KNOWN | known)}\n```")]
    messages += [(HumanMessage, AIMessage)[number % 2](text) for number, text in enumerate(texts)]
    transcript = parse_messages(messages)
    calls = guide.next_calls(transcript)
    return calls, "" if calls else guide.answer(transcript)


@pytest.mark.parametrize(
    ("reply", "rule"),
    [("reading-stuck-2", "reading-stuck-2"), ("the first", "reading-stuck"), ("the second one", "reading-stuck-2")],
)
def test_two_fitting_rules_are_asked_about_and_the_answer_chooses(reply, rule):
    calls, question = respond("drop the stuck one")
    assert calls == [] and "reading-stuck, reading-stuck-2" in question
    calls, _ = respond("drop the stuck one", question, reply)
    assert [(tool, arguments["rule_id"]) for tool, arguments in calls] == [("drop_rule", rule)]


@pytest.mark.parametrize("reply", ["hm", "yes", "both", "what is the threshold?"])
def test_unclear_answer_to_a_question_drops_nothing(reply):
    _, question = respond("drop the stuck one")
    calls, _ = respond("drop the stuck one", question, reply)
    assert not ACTING & {tool for tool, _ in calls}


def test_two_fitting_days_are_asked_about():
    calls, question = respond("show the 7th around noon")
    assert calls == [] and "7 February or 7 March" in question
    ((tool, arguments),), _ = respond("show the 7th around noon", question, "7 March")
    assert (tool, arguments["begin"]) == ("show_stretch", "2026-03-07 12:00")


def test_two_fitting_channels_are_asked_about():
    calls, question = respond("what is the usual range of the pressure?")
    assert calls == [] and "p_suction_bar" in question and "p_discharge_bar" in question
    assert respond("what is the usual range of the suction pressure?")[0] == [
        ("robust_stats", {"channel": "p_suction_bar"})
    ]


@pytest.mark.parametrize(
    "text",
    [
        "don't drop level-jump",
        "do not train anything yet",
        "please don't mine",
        "what happens if I drop level-jump?",
        "should I drop level-drift?",
        "the pressure drops every night",
        "I dropped my coffee",
        "drop",
        "drop the green one",
        "remove the weekend",
        "make it better",
        "make level-jump blue",
        "forget what I said about lunch",
        "is it normal that it trains so long?",
    ],
)
def test_what_is_no_request_to_change_changes_nothing(text):
    calls, _ = respond(text)
    assert not ACTING & {tool for tool, _ in calls}


@pytest.mark.parametrize("text", ["what's the weather in Paris", "sing a song", "lorem ipsum", "zeig mir alles", "?"])
def test_the_two_nearest_are_named_and_not_the_whole_help(text):
    calls, answer = respond(text)
    assert calls == [] and "I did not understand" in answer and answer.count('"') == 4 and len(answer) < 500


@pytest.mark.parametrize("intent", [intent for intent in INTENTS.values() if intent.id not in ("thanks", "mine")])
def test_examples_of_the_help_are_understood(intent):
    example = intent.example.replace("RULE", "spike-local" if intent.id == "restore" else "level-jump")
    calls, answer = respond(example.replace("CHANNEL", "flow"))
    assert calls or "I did not understand" not in answer
    assert intent.title in guide.answer(parse_messages([SystemMessage(SYSTEM["guide"]), HumanMessage("help")]))
