"""How far and how long a rule says that values go, in the units of a series."""

from __future__ import annotations

from ape.rules import Rule, RuleBank

UNITS = {"series_sd": "scale", "residual_sd": "residual_scale"}


def sizes(rule: Rule, channel: str, bank: RuleBank) -> tuple[float, float]:
    """Return the least and the largest size of a rule at a channel, in data units."""
    unit = UNITS.get(rule.scale.unit)
    of = next(each for each in bank.context.channels if each.name == channel)
    size = getattr(of, unit) if unit else 1.0
    return rule.scale.low * size, rule.scale.high * size


def lengths(rule: Rule, bank: RuleBank) -> tuple[float, float]:
    """Return the shortest and the longest duration of a rule, in samples."""
    unit = bank.context.cycle if rule.duration.unit == "periods" else 1
    return rule.duration.low * unit, rule.duration.high * unit
