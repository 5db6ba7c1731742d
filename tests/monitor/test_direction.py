"""Rules that state the opposite of what values do are not named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ape.monitor.answer import explained_by_rules
from ape.monitor.direction import without_opposite
from ape.monitor.event import Finding
from ape.rules import broad_bank, build_context

RISE = Finding("value", "level", "level 20 above what is usual (62 instead of 42)", 62.0, (40.0, 44.0), None, "up")
FALL = replace(RISE, text="level 20 below", value=22.0, way="down")
QUIET = replace(RISE, kind="noisier", way=None)


@pytest.fixture
def context(context_of, wave):
    plain = context_of(wave)
    bank = broad_bank(build_context(plain.series), ["level_shift", "dropout_zero", "trend_drift", "noise_burst"])
    return context_of(wave, bank=bank)


def named(context, operator, found, **scale):
    """Whether the rule with an operator may be named."""
    rule = next(rule for rule in context.bank.rules if rule.program[0].operator == operator)
    rule.scale = rule.scale.model_copy(update=scale)
    return without_opposite(((rule.id, 0.9), (None, 0.1)), found, context.bank)[0][0] == rule.id


@pytest.mark.parametrize(
    ("operator", "direction", "found", "expected"),
    [
        ("level_shift", "down", [RISE], False),
        ("level_shift", "down", [FALL], True),
        ("level_shift", "up", [FALL], False),
        ("trend_drift", "up", [FALL], False),
        ("level_shift", "either", [RISE], True),
        ("level_shift", "down", [QUIET], True),
        ("level_shift", "down", [], True),
        ("level_shift", "down", [RISE, replace(FALL, channel="other")], True),  # one of the channels goes its way
        ("dropout_zero", "either", [RISE], False),
        ("dropout_zero", "either", [FALL], True),
        ("dropout_zero", "either", [replace(RISE, usual=(-44.0, 40.0))], True),  # zero may be above
        ("noise_burst", "down", [RISE], True),
    ],
)
def test_the_stated_direction_counts(context, operator, direction, found, expected):
    assert named(context, operator, found, direction=direction) is expected


def test_channels_of_other_rules_do_not_count(context):
    rule = context.bank.rules[0]
    rule.context.channels, rule.scale = ["other"], rule.scale.model_copy(update={"direction": "down"})
    assert without_opposite(((rule.id, 0.9),), [RISE], context.bank) == ((rule.id, 0.9),)


def test_the_next_rule_is_the_reason(context, event_of):
    lost = next(rule.id for rule in context.bank.rules if rule.program[0].operator == "dropout_zero")
    jump = next(rule.id for rule in context.bank.rules if rule.program[0].operator == "level_shift")
    event = replace(event_of(context, rules=((lost, 0.6), (jump, 0.3), (None, 0.1))), findings=(RISE,))
    told = explained_by_rules(event, context)
    assert told.rule == jump and f"perhaps like '{jump}', 30 %" in told.reason and lost not in told.reason
