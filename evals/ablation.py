"""Rule Banks without one thing that mining put into them, to measure what it is good for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from ape.rules import OPERATORS, Rule, RuleBank, broad_bank, broad_rule

Prior = Literal["contextual", "scale", "duration"]
PRIORS: tuple[Prior, ...] = get_args(Prior)


def without_prior(bank: RuleBank, prior: Prior) -> RuleBank:
    """Replace one mined prior of each rule by the broad prior of the rule's first operator."""
    return bank.model_copy(update={"rules": [_broadened(rule, prior) for rule in bank.rules]})


def without_operators(bank: RuleBank, operators: Collection[str]) -> RuleBank:
    """Remove all rules that use one of these operators; if no rule remains, return broad rules of all others."""
    rules = [rule for rule in bank.rules if not any(step.operator in operators for step in rule.program)]
    if rules:
        return bank.model_copy(update={"rules": rules})
    return broad_bank(bank.context, [operator for operator in OPERATORS if operator not in operators])


def without_channels(bank: RuleBank) -> RuleBank:
    """Let each rule act on any channels."""
    anywhere = {"channels": [], "groups": [], "spread": "some"}
    rules = [rule.model_copy(update={"context": rule.context.model_copy(update=anywhere)}) for rule in bank.rules]
    return bank.model_copy(update={"rules": rules})


def without_benign_rules(bank: RuleBank) -> RuleBank:
    """Remove what says that something unusual is normal."""
    return bank.model_copy(update={"benign": []})


def resized(bank: RuleBank, factor: float) -> RuleBank:
    """Multiply the size of all pseudo-anomalies by ``factor``; below one they are harder to detect."""
    return bank.model_copy(update={"rules": [_scaled(rule, factor) for rule in bank.rules]})


def _broadened(rule: Rule, prior: Prior) -> Rule:
    broad = broad_rule(rule.program[0].operator)
    field = "context" if prior == "contextual" else prior
    return rule.model_copy(update={field: getattr(broad, field)})


def _scaled(rule: Rule, factor: float) -> Rule:
    scale = rule.scale.model_copy(update={"low": factor * rule.scale.low, "high": factor * rule.scale.high})
    return rule.model_copy(update={"scale": scale})
