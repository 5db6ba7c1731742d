"""Score a series with the rules of a bank.

Windows are compared with the training part and with earlier windows of the series. Each of several time scales gives
log-odds for every sample, channel and rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ape.core.errors import InputError
from ape.posttrain.discriminator.inputs import Usual, inputs, measure_usual, standardise
from ape.posttrain.discriminator.references import WINDOW, References, pooled
from ape.posttrain.discriminator.rules import BankDiscriminator
from ape.rules.schema import Context

FACTORS = (1, 2, 4)  # samples in a cell
STRIDE = 16  # cells between windows
REST = 10  # windows until a scored window becomes a reference, so that a long anomaly cannot match itself
SHORTEST = 3  # windows that the training part needs at a factor
USUAL = 0.99  # share of normal points below the usual log-odds of a rule
GENERIC = 1.0  # natural logarithm by which operators that no rule names count less; chosen on tuning faults
AT_ONCE = 1 << 21  # reference cells of all windows of a batch together


def standard_series(values: np.ndarray, train_end: int, context: Context, device: torch.device) -> Tensor:
    """Return a series [T, C] standardised by its training part, float32 [1, C, T]."""
    samples = torch.from_numpy(np.ascontiguousarray(values.T)).to(device)[None]
    centre = samples[:, :, :train_end].median(2).values
    scale = torch.tensor([[channel.scale for channel in context.channels]], device=device)
    return standardise(samples, centre, scale)


def usable_factors(train_end: int, factors: Sequence[int] = FACTORS) -> list[int]:
    """Return the factors for which a training part is long enough."""
    return [factor for factor in factors if train_end >= SHORTEST * WINDOW * factor]


@dataclass(frozen=True)
class Views:
    """All windows of a standardised series at one factor, as the network sees them.

    Parameters
    ----------
    standard : Tensor, float32 [1, C, T]
    trained : int
        Samples of the training part.
    factor : int
    stride : int
        Cells between windows.
    """

    standard: Tensor
    trained: int
    factor: int
    stride: int = STRIDE

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the starts [B] of some windows, in cells, and their inputs [B, C, 19, 128]."""
        factor = self.factor
        cells = pooled(self.standard, factor)
        channels, length = cells.shape[1:]
        references = References(cells, self.trained // factor, factor)
        usual: Usual = measure_usual(self.standard[:, :, : self.trained], references)
        starts = torch.arange(0, length - WINDOW, self.stride, device=cells.device)
        starts = torch.cat([starts, starts.new_tensor([length - WINDOW])])
        windows = self.standard[0].unfold(1, WINDOW * factor, 1)
        places = torch.arange(length - WINDOW + 1, device=cells.device)
        trained = places + WINDOW <= references.trained
        for some in starts.split(max(1, AT_ONCE // (channels * length))):
            after = some[:, None] - places
            allowed = (trained & (after.abs() >= WINDOW)) | (after >= REST * WINDOW)
            group = torch.zeros_like(some)
            yield some, inputs(windows[:, some * factor].transpose(0, 1), references, usual, group, allowed)


@torch.no_grad()
def log_odds(
    model: BankDiscriminator,
    values: np.ndarray,
    train_end: int,
    context: Context,
    factors: Sequence[int] = FACTORS,
    stride: int = STRIDE,
) -> dict[int, Tensor]:
    """Return the log-odds of each rule at each time scale.

    Parameters
    ----------
    model : BankDiscriminator
    values : ndarray, float32 [T, C]
        Data units.
    train_end : int
        The points before it are normal.
    context : Context
        Of the training part.
    factors : sequence of int
        Those for which the training part is too short are left out.
    stride : int
        Cells between windows.

    Returns
    -------
    dict of int to Tensor [T, C, R]
        By factor: mean over the windows that cover a sample; minus infinity at channels that a rule does not name.
    """
    model.eval()
    standard = standard_series(values, train_end, context, model.moved.device)
    usable = usable_factors(train_end, factors)
    return {f: joined(model, Views(standard, train_end, f, stride), f, len(values)) for f in usable}


def joined(model: BankDiscriminator, views: Iterable[tuple[Tensor, Tensor]], factor: int, length: int) -> Tensor:
    """Return the mean log-odds [T, C, R] over all windows of a series of ``length`` samples at one factor."""
    channels, rules = model.channels.T.shape
    total = model.moved.new_zeros(length // factor, channels, rules)
    count = model.moved.new_zeros(length // factor)
    for starts, seen in views:
        odds = model.log_odds(seen, factor).permute(0, 3, 1, 2)  # [B, 128, C, R]
        index = (starts[:, None] + torch.arange(WINDOW, device=starts.device)).flatten()
        total.index_add_(0, index, odds.flatten(0, 1))
        count.index_add_(0, index, torch.ones_like(index, dtype=count.dtype))
    mean = total / count[:, None, None]
    # Each cell is repeated for its samples; those of an incomplete last cell take the last one.
    return mean[(torch.arange(length, device=mean.device) // factor).clamp(max=len(mean) - 1)]


def usual_odds(odds: Tensor, train_end: int) -> Tensor:
    """Return the 99 % quantile over the training part of each rule's log-odds [T, C, R], [R]."""
    highest = odds[:train_end].amax(1).sort(0).values
    return highest[round(USUAL * (train_end - 1))]


def known(odds: Tensor, weight: Tensor, usual: Tensor) -> Tensor:
    """Return the bank's evidence ``log sum_r w_r exp(l_r - u_r)`` [T].

    Parameters
    ----------
    odds : Tensor [T, C, R]
        Log-odds l; the largest over channels counts.
    weight : Tensor [R]
    usual : Tensor [R]
        From `usual_odds`: a rule that sees itself in normal data has to see more of itself to count.
    """
    return (odds.amax(1) - usual + weight.log().to(odds.device)).logsumexp(1)


def evidence(model: BankDiscriminator, values: np.ndarray, train_end: int, context: Context) -> Tensor:
    """Return the evidence of a model's rules [T]: the mean of log-odds over the factors, calibrated and mixed.

    Raises
    ------
    InputError
        The training part is shorter than three windows.
    """
    odds = log_odds(model, values, train_end, context)
    if not odds:
        raise InputError(
            f"{train_end} training points are too few to compare windows with",
            "rule discriminator",
            f"give at least {SHORTEST * WINDOW}",
        )
    mean = torch.stack(list(odds.values())).mean(0)
    return known(mean, model.weight, usual_odds(mean, train_end))


def together(bank: Tensor, generic: Tensor) -> Tensor:
    """Log-add the evidence of a bank and of all operators, [T] each; the latter counts less."""
    return torch.logaddexp(bank, generic - GENERIC)


def posterior(odds: Tensor, weight: Tensor, anomalous: float = 0.01) -> Tensor:
    """Return the probability of normal and of each rule at each sample and channel, [T, C, 1 + R].

    Parameters
    ----------
    odds : Tensor [T, C, R]
    weight : Tensor [R]
    anomalous : float
        Prior probability of an anomaly.
    """
    prior = (weight * anomalous / (1 - anomalous)).log().to(odds.device)
    normal = torch.zeros_like(odds[:, :, :1])
    return torch.cat([normal, odds + prior], 2).softmax(2)
