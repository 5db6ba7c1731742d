"""A bank that knows nothing of the scenario: one broad rule for each operator, for probes and controls."""

from __future__ import annotations

from collections.abc import Iterable

from ape.rules.operators import OPERATORS
from ape.rules.schema import Context, ContextualPrior, DurationPrior, Rule, RuleBank, ScalePrior, Step


def generic_bank(context: Context, operators: Iterable[str] | None = None) -> RuleBank:
    """Bank of one broad rule for each of these operators (default: all) that the number of channels allows."""
    several = len(context.channels) > 1
    named = OPERATORS if operators is None else operators
    usable = [name for name in named if several or not OPERATORS[name].relational]
    return RuleBank(context=context, rules=[generic_rule(name) for name in usable])


def generic_rule(name: str) -> Rule:
    """Broad rule for one operator."""
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
