"""The discriminator of one Rule Bank: one output a rule, which starts from the prototypes of the rule's operators."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ape.posttrain.discriminator.inputs import INPUTS
from ape.posttrain.discriminator.network import KERNEL, NAMES, WIDTH, RuleDiscriminator, condition
from ape.posttrain.discriminator.screening import over_all
from ape.rules import RuleBank, broad_bank
from ape.rules.naming import named_channels
from ape.rules.placement import reached_channels
from ape.rules.schema import Context, Rule

ADAPTER_WIDTH = 32  # channels
LAST = 4  # place of its last layer
SPREAD = 4  # dilation of the adapter's second layer
ELSEWHERE = 0.3  # share of a rule's anomalies in channels that it does not name; chosen on tuning faults


@dataclass(frozen=True)
class Question:
    """What a bank of R rules asks: the operators of all rules, one after the other, and what the rules say.

    Its benign rules are asked for like the others and come after them. Then comes any other anomaly, which a variant of
    a benign rule has to be told from.

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
        Channels that each rule may change.
    weight : Tensor [R]
        Adds up to 1; that of the benign rules adds up to 1 as well.
    benign : int
        How many of the rules are benign.
    """

    operator: Tensor
    rule: Tensor
    size: Tensor
    length: Tensor
    creep: Tensor
    channels: Tensor
    weight: Tensor
    benign: int = 0

    @classmethod
    def of(cls, bank: RuleBank, *, say: bool = True) -> Question:
        """Ask for the rules of a bank; without ``say``, size, length and creep are left out."""
        rules = [*bank.rules, *bank.benign]
        steps = [(r, step.operator) for r, rule in enumerate(rules) for step in rule.program]
        owner = torch.tensor([r for r, _ in steps])
        said = torch.tensor([_said(rule, bank.context) if say else [torch.nan] * 5 for rule in rules])[owner]
        channels = [reached_channels(rule, bank.context) for rule in rules]
        weights = [torch.tensor([rule.weight for rule in part]) for part in (bank.rules, bank.benign) if part]
        question = cls(
            operator=torch.tensor([NAMES.index(name) for _, name in steps]),
            rule=owner,
            size=said[:, :2],
            length=said[:, 2:4],
            creep=said[:, 4],
            channels=torch.tensor(channels),
            weight=torch.cat([weight / weight.sum() for weight in weights]),
            benign=len(bank.benign),
        )
        return question.followed_by(cls.any_anomaly(bank.context)) if bank.benign else question

    @property
    def rules(self) -> int:
        """Number of rules R of the bank that are not benign."""
        return len(self.weight) - (self.benign + 1 if self.benign else 0)

    def handicap(self) -> Tensor:
        """Return by how much all rules count less at each channel: natural logarithm, 0 at channels that they reach.

        Texts name channels incompletely, and failures spread: a share `ELSEWHERE` of a rule's anomalies is expected in
        all other channels together, but never more in one of them than in one that it reaches. A benign rule counts
        nothing there.
        """
        named = self.channels.sum(1, keepdim=True)
        others = self.channels.shape[1] - named
        less = torch.log((1 - ELSEWHERE) / ELSEWHERE * others / named).clamp(min=0)
        less[self.rules :] = torch.inf
        return torch.where(self.channels, 0.0, less)

    def followed_by(self, other: Question) -> Question:
        """Return both questions as one, in which the number of benign rules stays the same."""
        shifted = replace(other, rule=other.rule + len(self.weight))
        names = ("operator", "rule", "size", "length", "creep", "channels", "weight")
        both: dict[str, Any] = {name: torch.cat([getattr(self, name), getattr(shifted, name)]) for name in names}
        return replace(self, **both)

    @classmethod
    def any_anomaly(cls, context: Context) -> Question:
        """Ask for any anomaly: one rule of all operators, about which nothing is said."""
        every = cls.of(broad_bank(context), say=False)
        channels = torch.ones(1, len(context.channels), dtype=torch.bool)
        return replace(every, rule=torch.zeros_like(every.rule), channels=channels, weight=torch.ones(1))


def _said(rule: Rule, context: Context) -> list[float]:
    """Return size, length (low and high each) and creep of a rule, in the units of `Question`."""
    named = set(named_channels(rule.context, context))
    chosen = [c for c in context.channels if not named or c.name in named]
    units = {"series_sd": 1.0, "residual_sd": float(np.median([c.residual_scale / c.scale for c in chosen]))}
    unit = units.get(rule.scale.unit, 1 / float(np.median([c.scale for c in chosen])))
    samples = context.cycle if rule.duration.unit == "periods" else 1
    creep = torch.nan if rule.creep is None else (rule.creep.low + rule.creep.high) / 2
    size, length = (rule.scale.low, rule.scale.high), (rule.duration.low, rule.duration.high)
    return [*(unit * x for x in size), *(samples * x for x in length), creep]


class Adapter(nn.Sequential):
    """Turns further inputs into a change of the features. Its last layer starts at zero, so that nothing changes.

    Parameters
    ----------
    extra : int
        Number of further inputs.
    """

    def __init__(self, extra: int) -> None:
        last = nn.Conv1d(ADAPTER_WIDTH, WIDTH, 1)
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        super().__init__(
            nn.Conv1d(extra, ADAPTER_WIDTH, KERNEL, padding=KERNEL // 2),
            nn.GELU(),
            nn.Conv1d(ADAPTER_WIDTH, ADAPTER_WIDTH, KERNEL, padding=SPREAD * (KERNEL // 2), dilation=SPREAD),
            nn.GELU(),
            last,
        )


class BankDiscriminator(nn.Module):
    """Log-odds of the rules of one bank, also of the benign ones, against normal.

    Parameters
    ----------
    network : RuleDiscriminator
        Is copied.
    question : Question
        Of the bank.
    extra : int
        Inputs in addition to those of the network, for example what a backbone makes of a window.
    """

    owned: Tensor
    channels: Tensor
    handicap: Tensor
    weight: Tensor

    def __init__(self, network: RuleDiscriminator, question: Question, extra: int = 0) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.question, self.extra = question, extra
        device = network.bias.device
        owned = torch.nn.functional.one_hot(question.rule, len(question.weight)).float().T
        self.register_buffer("owned", (owned / owned.sum(1, keepdim=True)).to(device))  # averages over a program
        self.register_buffer("channels", question.channels.to(device))
        self.register_buffer("weight", question.weight.to(device))
        self.register_buffer("handicap", question.handicap().to(device), persistent=False)
        self.moved = nn.Parameter(torch.zeros(len(question.weight), WIDTH + 1, device=device))
        self.adapter = Adapter(extra).to(device) if extra else None

    def prototypes(self, factor: int) -> tuple[Tensor, Tensor]:
        """Return the prototypes [R, width] and biases [R] at a factor.

        The prototype of a rule is the mean of those of its operators under what the rule says, and what post-training
        added to it.
        """
        question, device = self.question, self.moved.device
        said = condition(question.size, question.length / factor, question.creep).to(device)
        prototypes, bias = self.network.rule_prototypes(question.operator.to(device), said)
        return self.owned @ prototypes + self.moved[:, :-1], self.owned @ bias + self.moved[:, -1]

    def learnt(self) -> list[nn.Parameter]:
        """Return the parameters that post-training changes: all but the trunk's."""
        fixed = {id(parameter) for part in (self.network.enter, self.network.blocks) for parameter in part.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in fixed]

    @torch.no_grad()
    def pull(self, start: Mapping[str, Tensor], share: float) -> None:
        """Keep a share of what was learnt since the weights ``start`` (Wortsman et al., arXiv 2109.01903).

        Of the adapter, only the last layer is pulled, which starts at zero.
        """
        for name, parameter in self.named_parameters():
            if not name.startswith("adapter.") or name.startswith(f"adapter.{LAST}."):
                parameter.copy_(torch.lerp(start[name], parameter, share))

    def features(self, hidden: Tensor, further: Tensor) -> Tensor:
        """Map the trunk's output [N, width, 128] and further inputs [N, extra, 128] to features [N, width, 128]."""
        features = self.network.leave(hidden)
        return features if self.adapter is None else features + self.adapter(further)

    def trunk(self, seen: Tensor) -> Tensor:
        """Map inputs [B, C, 19 or more, 128] through the trunk of the network, [B, C, width, 128]."""
        return self.network.trunk(seen[:, :, :INPUTS].flatten(0, 1)).unflatten(0, seen.shape[:2])

    def log_odds_of(
        self, hidden: Tensor, seen: Tensor, prototypes: tuple[Tensor, Tensor], chosen: Tensor | None = None
    ) -> Tensor:
        """Return `log_odds` of windows, given what `trunk` makes of them, and the `prototypes` at their factor.

        If the inputs are those of the ``chosen`` channels [B, k] alone, see `ape.posttrain.discriminator.screening`.
        """
        further = seen[:, :, INPUTS : INPUTS + self.extra].flatten(0, 1)
        features = self.features(hidden.flatten(0, 1), further).unflatten(0, seen.shape[:2])
        odds = self.network.log_odds(features, *prototypes)
        if chosen is not None:
            odds = over_all(odds, chosen, self.channels.shape[1])
        return odds - self.handicap.T[..., None]

    def log_odds(self, seen: Tensor, factor: int) -> Tensor:
        """Return the log-odds [B, C, R, 128] of windows with inputs [B, C, 19 + extra, 128]; more inputs are ignored.

        Rules count less at channels that they do not name, see `Question.handicap`.
        """
        return self.log_odds_of(self.trunk(seen), seen, self.prototypes(factor))


def generic_discriminator(network: RuleDiscriminator, context: Context) -> BankDiscriminator:
    """Return the discriminator of all operators, without training and without anything said.

    It covers what a bank leaves out. Its evidence is log-added to that of the bank, each rule calibrated.
    """
    return BankDiscriminator(network, Question.of(broad_bank(context), say=False)).eval()
