"""Answers of the guide in words."""

from __future__ import annotations

from ape.agents.expert.transcript import ToolResult
from ape.agents.guide.answers import summarise


def test_what_follows_a_list_of_rules_is_not_a_part_of_its_last_item():
    sentences = [{"use": "not understood", "line": 2, "text": "Es klemmt."}]
    value = {"has_text": True, "rules": {"level-jump": ["It jumps."]}, "sentences": sentences}
    _, listed, others, quoted = summarise(ToolResult("list_sentences", {}, value, "")).split("\n\n")
    assert listed == '- level-jump: "It jumps."' and quoted == '- line 2, "Es klemmt."' and others.endswith(":")


def test_reasons_of_a_rule_give_each_quote_once():
    said = "the text says 'It sticks.'"
    evidence = [{"kind": "text", "id": "text", "quote": "It sticks.", "line": 3}, {"kind": "tool", "id": "stl-1"}]
    history = [{"agent": "planner", "verdict": "proposed", "reason": said}]
    answer = summarise(
        ToolResult("why_rule", {}, {"rule": "stuck", "note": said, "evidence": evidence, "history": history}, "")
    )
    assert answer.count("It sticks.") == 1 and "Evidence: line 3 of your notes; tool stl-1." in answer


EVENT = {
    "rank": 1, "when": "13:20 to 14:04", "lasts": "45 minutes", "ongoing": False, "what": "level 22 above, like 'jump'",
    "score": 5.9, "threshold": 3.6, "by_chance_once_in": "20 months", "rules": [{"rule": "jump", "probability": 0.99}],
}  # fmt: skip


def test_explanation_says_time_and_reason_once():
    answer = summarise(ToolResult("explain_event", {}, EVENT, ""))
    assert answer.startswith("Event 1, 13:20 to 14:04, lasted 45 minutes. level 22 above, like 'jump'.\n\n")
    assert answer.count("13:20") == answer.count("level 22") == answer.count("20 months") == 1


def test_what_follows_the_other_rates_is_not_a_part_of_the_list():
    here = {"threshold": 3.6, "rate": "1 a week", "events": 1, "per_day": 0.25}
    rates = {**here, "searched": "4 days", "by_chance": 0.5, "asked": None, "others": [{**here, "rate": "2 a week"}]}
    first, _, listed, last = summarise(ToolResult("show_alert_rates", {}, rates, "")).split("\n\n")
    assert "there is 1 event (0.25 a day)" in first and listed.startswith("- 2 a week") and last.startswith("Nothing")
