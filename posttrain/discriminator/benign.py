"""Windows that teach what benign rules mean: their variants, and anomalies that are none of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ape.rules import OPERATORS, RuleBank, broad_bank
from ape.rules.sampling import draw_anomalies, usable_rules
from ape.rules.schema import Range, Rule

LARGER, LONGER = (1.5, 4.0), (2.5, 5.0)  # times the most that a benign rule says: near misses
OPPOSITE = {"up": "down", "down": "up"}


def benign_windows(
    bank: RuleBank, hosts: Tensor, starts: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn the first half of some hosts into variants of benign rules, and the second into other anomalies.

    The latter are of all operators, and of near misses: benign rules with a larger size, a longer duration, or the
    opposite direction. Benign rules are drawn equally often; where one has no allowed place, or no effect, there is no
    variant.

    Parameters
    ----------
    bank : RuleBank
        Of R rules and Q benign ones.
    hosts : Tensor [B, C, L]
    starts : Tensor, int64 [B]
    generator : torch.Generator

    Returns
    -------
    hosts, windows : Tensor [n, C, L]
    rule : Tensor, int64 [n]
        R and more for the benign rules, R + Q for other anomalies.
    """
    half = len(hosts) // 2
    others = _other_rules(bank)
    drawn, _ = draw_anomalies(others, bank.context, hosts[half:], generator, starts[half:], where="all operators")
    parts = [(hosts[half:], drawn.pseudo, torch.full((len(hosts) - half,), len(bank.rules) + len(bank.benign)))]
    if usable_rules(bank.benign, hosts[:half], starts[:half]):
        equal = [rule.model_copy(update={"weight": 1.0}) for rule in bank.benign]
        drawn, passed = draw_anomalies(
            equal, bank.context, hosts[:half], generator, starts[:half], where="the bank's benign rules"
        )
        parts.append((hosts[:half][passed], drawn.pseudo[passed], len(bank.rules) + drawn.rule_id[passed]))
    order = torch.randperm(sum(len(rule) for *_, rule in parts), generator=generator)  # what comes first is held out
    made, windows, rule = (torch.cat(column)[order] for column in zip(*parts, strict=True))
    return made, windows, rule


def _other_rules(bank: RuleBank) -> list[Rule]:
    """Return rules of all operators, and near misses of the benign rules; half of the weight each."""
    groups: Sequence[list[Rule]] = (broad_bank(bank.context).rules, [m for r in bank.benign for m in near_misses(r)])
    return [rule.model_copy(update={"weight": 1 / len(group)}) for group in groups for rule in group]


def near_misses(rule: Rule) -> list[Rule]:
    """Return rules that a benign rule does not mean, though they are much like it; they can start anywhere."""
    own = rule.anywhere
    duration = rule.duration.model_copy(update=_beyond(rule.duration, LONGER))
    missed = [own.model_copy(update={"duration": duration})]
    if any(OPERATORS[step.operator].additive for step in rule.program):
        missed.append(own.model_copy(update={"scale": rule.scale.model_copy(update=_beyond(rule.scale, LARGER))}))
        if rule.scale.direction != "either":
            turned = rule.scale.model_copy(update={"direction": OPPOSITE[rule.scale.direction]})
            missed.append(own.model_copy(update={"scale": turned}))
    return missed


def _beyond(said: Range, times: tuple[float, float]) -> dict[str, float]:
    return {"low": times[0] * said.high, "high": times[1] * said.high}
