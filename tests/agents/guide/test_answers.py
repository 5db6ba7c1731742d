"""Answers of the guide in words."""

from __future__ import annotations

from ape.agents.expert.transcript import ToolResult
from ape.agents.guide.answers import summarise


def test_what_follows_a_list_of_rules_is_not_a_part_of_its_last_item():
    sentences = [{"use": "not understood", "line": 2, "text": "Es klemmt."}]
    value = {"has_text": True, "rules": {"level-jump": ["It jumps."]}, "sentences": sentences}
    listed, others = summarise(ToolResult("list_sentences", {}, value, "")).split("\n\n")
    assert listed.endswith('- level-jump: "It jumps."') and 'line 2, "Es klemmt."' in others
