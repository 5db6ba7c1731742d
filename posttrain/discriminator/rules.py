"""The discriminator of one Rule Bank: one output a rule, which starts from the prototypes of the rule's operators."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ape.posttrain.discriminator.network import NAMES, WIDTH, RuleDiscriminator, condition
from ape.rules import RuleBank, broad_bank
from ape.rules.schema import Context, Rule


@dataclass(frozen=True)
class Question:
    """What a bank of R rules asks: the operators of all rules, one after the other, and what the rules say.

    Parameters
    ----------
    operator : Tensor, int64 [K]
        Places in `ape.posttrain.discriminator.network.NAMES`.
    rule : Tensor, int64 [K]
        The rule that each belongs to.
    size : Tensor [K, 2]
        In standard deviations of the series; NaN if unsaid.
    length : Tensor [K, 2]
        In samples; NaN if unsaid.
    creep : Tensor [K]
    channels : Tensor, bool [R, C]
        Channels that each rule may affect.
    weight : Tensor [R]
        Adds up to 1.
    """

    operator: Tensor
    rule: Tensor
    size: Tensor
    length: Tensor
    creep: Tensor
    channels: Tensor
    weight: Tensor

    @classmethod
    def of(cls, bank: RuleBank, *, say: bool = True) -> Question:
        """Ask for the rules of a bank; without ``say``, size, length and creep are left out."""
        names = [channel.name for channel in bank.context.channels]
        steps = [(r, step.operator) for r, rule in enumerate(bank.rules) for step in rule.program]
        owner = torch.tensor([r for r, _ in steps])
        said = torch.tensor([_said(rule, bank.context) if say else [torch.nan] * 5 for rule in bank.rules])[owner]
        channels = [
            [not rule.context.channels or name in rule.context.channels for name in names] for rule in bank.rules
        ]
        weight = torch.tensor([rule.weight for rule in bank.rules])
        return cls(
            operator=torch.tensor([NAMES.index(name) for _, name in steps]),
            rule=owner,
            size=said[:, :2],
            length=said[:, 2:4],
            creep=said[:, 4],
            channels=torch.tensor(channels),
            weight=weight / weight.sum(),
        )


def _said(rule: Rule, context: Context) -> list[float]:
    """Return size, length (low and high each) and creep of a rule, in the units of `Question`."""
    chosen = [c for c in context.channels if not rule.context.channels or c.name in rule.context.channels]
    units = {"series_sd": 1.0, "residual_sd": float(np.median([c.residual_scale / c.scale for c in chosen]))}
    unit = units.get(rule.scale.unit, 1 / float(np.median([c.scale for c in chosen])))
    samples = context.cycle if rule.duration.unit == "periods" else 1
    creep = torch.nan if rule.creep is None else (rule.creep.low + rule.creep.high) / 2
    size, length = (rule.scale.low, rule.scale.high), (rule.duration.low, rule.duration.high)
    return [*(unit * x for x in size), *(samples * x for x in length), creep]


class BankDiscriminator(nn.Module):
    """Log-odds of the rules of one bank against normal.

    Parameters
    ----------
    network : RuleDiscriminator
        Is copied.
    question : Question
        Of the bank.
    """

    owned: Tensor
    channels: Tensor
    weight: Tensor

    def __init__(self, network: RuleDiscriminator, question: Question) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.question = question
        device = network.bias.device
        owned = torch.nn.functional.one_hot(question.rule, len(question.weight)).float().T
        self.register_buffer("owned", (owned / owned.sum(1, keepdim=True)).to(device))  # averages over a program
        self.register_buffer("channels", question.channels.to(device))
        self.register_buffer("weight", question.weight.to(device))
        self.moved = nn.Parameter(torch.zeros(len(question.weight), WIDTH + 1, device=device))

    def prototypes(self, factor: int) -> tuple[Tensor, Tensor]:
        """Return the prototypes [R, width] and biases [R] at a factor.

        The prototype of a rule is the mean of those of its operators under what the rule says, and what post-training
        added to it.
        """
        question, device = self.question, self.moved.device
        said = condition(question.size, question.length / factor, question.creep).to(device)
        prototypes, bias = self.network.rule_prototypes(question.operator.to(device), said)
        return self.owned @ prototypes + self.moved[:, :-1], self.owned @ bias + self.moved[:, -1]

    def log_odds(self, seen: Tensor, factor: int) -> Tensor:
        """Return the log-odds [B, C, R, 128] of windows with inputs [B, C, 19, 128].

        They are minus infinity at channels that a rule does not name.
        """
        odds = self.network.log_odds(self.network.features(seen), *self.prototypes(factor))
        return odds.masked_fill(~self.channels.T[..., None], -torch.inf)


def generic_discriminator(network: RuleDiscriminator, context: Context) -> BankDiscriminator:
    """Return the discriminator of all operators, without training and without anything said.

    It covers what a bank leaves out. Its evidence is log-added to that of the bank, each rule calibrated.
    """
    return BankDiscriminator(network, Question.of(broad_bank(context), say=False)).eval()
