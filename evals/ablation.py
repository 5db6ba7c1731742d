"""A Rule Bank less one thing that mining put into it, so that it shows what the thing is good for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from ape.rules import OPERATORS, Rule, RuleBank, generic_bank, generic_rule

Prior = Literal["contextual", "scale", "duration"]
PRIORS: tuple[Prior, ...] = get_args(Prior)


def without_prior(bank: RuleBank, prior: Prior) -> RuleBank:
    """The bank with the broad prior of each rule's first operator in the place of one of the mined ones."""
    return _with(bank, [_broadened(rule, prior) for rule in bank.rules])


def without_operators(bank: RuleBank, held_out: Collection[str]) -> RuleBank:
    """The bank less all rules that use one of these operators; where none is left, broad rules of all others."""
    kept = [rule for rule in bank.rules if not any(step.operator in held_out for step in rule.program)]
    if kept:
        return _with(bank, kept)
    return generic_bank(bank.context, [operator for operator in OPERATORS if operator not in held_out])


def resized(bank: RuleBank, factor: float) -> RuleBank:
    """The bank with all anomalies ``factor`` times as large: below one they are harder to tell."""
    return _with(bank, [_scaled(rule, factor) for rule in bank.rules])


def _with(bank: RuleBank, rules: list[Rule]) -> RuleBank:
    return bank.model_copy(update={"rules": rules})


def _broadened(rule: Rule, prior: Prior) -> Rule:
    broad = generic_rule(rule.program[0].operator)
    field = "context" if prior == "contextual" else prior
    return rule.model_copy(update={field: getattr(broad, field)})


def _scaled(rule: Rule, factor: float) -> Rule:
    scale = rule.scale.model_copy(update={"low": factor * rule.scale.low, "high": factor * rule.scale.high})
    return rule.model_copy(update={"scale": scale})
