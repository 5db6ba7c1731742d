"""Which rules state the opposite of what the values of an event do."""

from __future__ import annotations

from collections.abc import Sequence

from ape.monitor.event import Finding
from ape.rules import Rule, RuleBank
from ape.rules.naming import named_channels
from ape.rules.schema import Step

Ranking = tuple[tuple[str | None, float], ...]

SHIFTS = {"level_shift", "trend_drift", "spike_context", "spike_global"}  # operators that move values as a rule states
DROPOUT = "dropout_zero"  # operator that sets values to zero, or
LOWEST, HALF = "minimum", 0.5  # to the lowest normal value, if this parameter is at least so high


def without_opposite(rules: Ranking, found: Sequence[Finding], bank: RuleBank | None) -> Ranking:
    """Return the rules that an event looks like, without those that state the opposite direction.

    The discriminator judges shapes of standardised windows, in which a fall and a rise may look alike.

    Parameters
    ----------
    rules : tuple of (str or None, float)
        With their probabilities, which stay as they are.
    found : sequence of Finding
        What is unusual in the channels of the event.
    bank : RuleBank or None
    """
    if bank is None:
        return rules
    known = {rule.id: rule for rule in bank.rules}
    return tuple(each for each in rules if each[0] not in known or not _is_opposite(known[each[0]], found, bank))


def _is_opposite(rule: Rule, found: Sequence[Finding], bank: RuleBank) -> bool:
    """Whether all values of the rule's channels that move go against the rule."""
    named = named_channels(rule.context, bank.context)
    moved = [each for each in found if each.way and (not named or each.channel in named)]
    return bool(moved) and all(_stated(rule, each) not in (None, each.way) for each in moved)


def _stated(rule: Rule, finding: Finding) -> str | None:
    """Return the way in which a rule moves a channel, "up" or "down"; None if it may be either."""
    if all(step.operator in SHIFTS for step in rule.program):
        return None if rule.scale.direction == "either" else rule.scale.direction
    if all(step.operator == DROPOUT for step in rule.program):
        low, high = finding.usual
        if low >= 0 or all(_is_lowest(step) for step in rule.program):
            return "down"
        return "up" if high <= 0 and not any(_may_be_lowest(step) for step in rule.program) else None
    return None


def _is_lowest(step: Step) -> bool:
    """Whether values are always set to the lowest normal one."""
    return any(each.name == LOWEST and each.low >= HALF for each in step.parameters)


def _may_be_lowest(step: Step) -> bool:
    """Whether values may be set to the lowest normal one."""
    return not any(each.name == LOWEST and each.high < HALF for each in step.parameters)
