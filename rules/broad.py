"""Broad rules, which use no knowledge of the scenario: one for each operator, for probes and controls."""

from __future__ import annotations

from collections.abc import Iterable

from ape.rules.bank import RuleBank
from ape.rules.operators import OPERATORS
from ape.rules.schema import Context, ContextualPrior, DurationPrior, Rule, ScalePrior, Step


def broad_bank(context: Context, operators: Iterable[str] | None = None) -> RuleBank:
    """Return a bank with one broad rule for each of the operators (default: all).

    Operators that relate channels are left out if there is only one channel.
    """
    several = len(context.channels) > 1
    names = OPERATORS if operators is None else operators
    usable = [name for name in names if several or not OPERATORS[name].relational]
    return RuleBank(context=context, rules=[broad_rule(name) for name in usable])


def broad_rule(name: str) -> Rule:
    """Return the broad rule for one operator."""
    broad = OPERATORS[name].broad
    return Rule(
        id=name,
        mechanism=broad.mechanism,
        morphology=broad.morphology,
        note=OPERATORS[name].summary,
        context=ContextualPrior(spread="some"),
        scale=ScalePrior(low=broad.scale[0], high=broad.scale[1], unit="series_sd"),
        duration=DurationPrior(low=broad.duration[0], high=broad.duration[1], unit=broad.unit),
        program=[Step(operator=name)],
    )
