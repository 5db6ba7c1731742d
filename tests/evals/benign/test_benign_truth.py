"""Benign rules that are read from the truth of a scenario."""

from __future__ import annotations

import pytest

from ape.evals.benign.truth import benign_rules
from ape.evals.timeanomalybench import SCENARIOS


def test_rules_say_where_how_far_and_when_the_normal_event_goes():
    rules = {rule.context.channels[0]: rule for rule in benign_rules(SCENARIOS["pumped_tank"])}
    assert rules["level"].scale.direction == "down" and rules["demand"].scale.direction == "up"
    day = 24 * 3600 / SCENARIOS["pumped_tank"].step
    for rule in rules.values():
        assert rule.duration.low == rule.duration.high == pytest.approx(day)  # whole days, from midnight on
        assert rule.context.hours.low == 0
        assert 0 < rule.scale.low <= rule.scale.high


def test_events_at_any_time_have_no_hours():
    rules = benign_rules(SCENARIOS["stirred_reactor"])
    assert rules and all(rule.context.hours is None for rule in rules)


def test_the_same_scenario_gives_the_same_rules():
    assert benign_rules(SCENARIOS["pumped_tank"]) == benign_rules(SCENARIOS["pumped_tank"])
