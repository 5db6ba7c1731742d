"""Score a series with the rules of a bank, without any training on the series.

Windows are compared with the training part and with earlier windows of the series. Each of several time scales gives
log-odds for every sample, channel and rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ape.posttrain.discriminator.inputs import inputs, measure_usual, standardise
from ape.posttrain.discriminator.network import NAMES, RuleDiscriminator, condition
from ape.posttrain.discriminator.references import WINDOW, References, pooled
from ape.rules import RuleBank
from ape.rules.schema import Context, Rule

FACTORS = (1, 2, 4)  # samples in a cell
STRIDE = 16  # cells between windows
REST = 10  # windows until a scored window becomes a reference, so that a long anomaly cannot match itself
SHORTEST = 3  # windows that the training part needs at a factor
AT_ONCE = 1 << 21  # reference cells of all windows of a batch together


@dataclass(frozen=True)
class Question:
    """What the network is asked: the operators of all rules, one after the other.

    Parameters
    ----------
    operator : Tensor, int64 [K]
        Places in `NAMES`.
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

    def prototypes(self, network: RuleDiscriminator, factor: int) -> tuple[Tensor, Tensor]:
        """Return prototypes [K, width] and biases [K] at a factor."""
        device = network.bias.device
        said = condition(self.size, self.length / factor, self.creep).to(device)
        return network.rule_prototypes(self.operator.to(device), said)


def _said(rule: Rule, context: Context) -> list[float]:
    """Return size, length (low and high each) and creep of a rule, in the units of `Question`."""
    chosen = [c for c in context.channels if not rule.context.channels or c.name in rule.context.channels]
    units = {"series_sd": 1.0, "residual_sd": float(np.median([c.residual_scale / c.scale for c in chosen]))}
    unit = units.get(rule.scale.unit, 1 / float(np.median([c.scale for c in chosen])))
    samples = context.cycle if rule.duration.unit == "periods" else 1
    creep = torch.nan if rule.creep is None else (rule.creep.low + rule.creep.high) / 2
    size, length = (rule.scale.low, rule.scale.high), (rule.duration.low, rule.duration.high)
    return [*(unit * x for x in size), *(samples * x for x in length), creep]


@torch.no_grad()
def log_odds(
    network: RuleDiscriminator,
    values: np.ndarray,
    train_end: int,
    context: Context,
    question: Question,
    factors: Sequence[int] = FACTORS,
    stride: int = STRIDE,
) -> dict[int, Tensor]:
    """Return the log-odds of each operator of a question at each time scale.

    Parameters
    ----------
    network : RuleDiscriminator
    values : ndarray, float32 [T, C]
        Data units.
    train_end : int
        The points before it are normal.
    context : Context
        Of the training part.
    question : Question
    factors : sequence of int
        Those for which the training part is too short are left out.
    stride : int
        Cells between windows.

    Returns
    -------
    dict of int to Tensor [T, C, K]
        By factor: mean over the windows that cover a sample.
    """
    network.eval()
    device = network.bias.device
    samples = torch.from_numpy(np.ascontiguousarray(values.T)).to(device)[None]
    centre = samples[:, :, :train_end].median(2).values
    scale = torch.tensor([[channel.scale for channel in context.channels]], device=device)
    standard = standardise(samples, centre, scale)
    usable = [f for f in factors if train_end >= SHORTEST * WINDOW * f]
    return {f: _at_factor(network, standard, train_end, question, f, stride) for f in usable}


def _at_factor(
    network: RuleDiscriminator, standard: Tensor, train_end: int, question: Question, factor: int, stride: int
) -> Tensor:
    """Return log-odds [T, C, K] at one factor for one standardised series [1, C, T]."""
    cells = pooled(standard, factor)
    length, channels = cells.shape[2], cells.shape[1]
    references = References(cells, train_end // factor, factor)
    usual = measure_usual(standard[:, :, :train_end], references)
    prototypes = question.prototypes(network, factor)
    starts = torch.arange(0, length - WINDOW, stride, device=cells.device)
    starts = torch.cat([starts, starts.new_tensor([length - WINDOW])])
    views = standard[0].unfold(1, WINDOW * factor, 1)
    places = torch.arange(length - WINDOW + 1, device=cells.device)
    trained = places + WINDOW <= references.trained
    total = cells.new_zeros(length, channels, len(question.operator))
    count = cells.new_zeros(length)
    for some in starts.split(max(1, AT_ONCE // (channels * length))):
        after = some[:, None] - places
        allowed = (trained & (after.abs() >= WINDOW)) | (after >= REST * WINDOW)
        group = torch.zeros_like(some)
        seen = inputs(views[:, some * factor].transpose(0, 1), references, usual, group, allowed)
        odds = network.log_odds(network.features(seen), *prototypes)  # [B, C, K, 128]
        index = (some[:, None] + torch.arange(WINDOW, device=some.device)).flatten()
        total.index_add_(0, index, odds.permute(0, 3, 1, 2).flatten(0, 1))
        count.index_add_(0, index, torch.ones_like(index, dtype=count.dtype))
    mean = total / count[:, None, None]
    return _stretched(mean, factor, standard)


def _stretched(cells: Tensor, factor: int, standard: Tensor) -> Tensor:
    """Repeat each cell for its samples; the samples of an incomplete last cell take the last one."""
    index = (torch.arange(standard.shape[2], device=cells.device) // factor).clamp(max=len(cells) - 1)
    return cells[index]


def by_rule(odds: Tensor, question: Question) -> Tensor:
    """Return log-odds [T, C, R] of rules from those of their operators [T, C, K]: the largest of each rule's.

    Channels that a rule does not name have minus infinity.
    """
    rules = len(question.weight)
    out = odds.new_full((*odds.shape[:2], rules), -torch.inf)
    index = question.rule.to(odds.device).expand(*odds.shape[:2], -1)
    out = out.scatter_reduce(2, index, odds, "amax")
    return out.masked_fill(~question.channels.T.to(odds.device), -torch.inf)


def known(rule_odds: Tensor, weight: Tensor) -> Tensor:
    """Return the bank's evidence ``log sum_r w_r exp(l_r)`` [T], from log-odds [T, C, R], largest over channels."""
    return (rule_odds.amax(1) + weight.log().to(rule_odds.device)).logsumexp(1)


def posterior(rule_odds: Tensor, weight: Tensor, anomalous: float = 0.01) -> Tensor:
    """Return the probability of normal and of each rule at each sample and channel, [T, C, 1 + R].

    Parameters
    ----------
    rule_odds : Tensor [T, C, R]
    weight : Tensor [R]
    anomalous : float
        Prior probability of an anomaly.
    """
    prior = (weight * anomalous / (1 - anomalous)).log().to(rule_odds.device)
    normal = torch.zeros_like(rule_odds[:, :, :1])
    return torch.cat([normal, rule_odds + prior], 2).softmax(2)
