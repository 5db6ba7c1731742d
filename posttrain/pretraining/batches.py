"""Batches for pretraining: normal, mildly changed and pseudo-anomalous windows, with what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ape.posttrain.discriminator.inputs import inputs, standardise
from ape.posttrain.discriminator.labels import share_of_change
from ape.posttrain.discriminator.network import NAMES, condition
from ape.posttrain.discriminator.references import WINDOW
from ape.posttrain.pretraining.anomalies import Anomalies, Hosts, draw_anomalies, draw_operators
from ape.posttrain.pretraining.corpus import FACTORS, STRETCHES, TRAINED, Group, stretch
from ape.rules.augment import augment
from ape.rules.schema import ChannelContext, Context

ROWS = 96  # windows times channels in a batch
NORMAL = 0.35  # share of windows without an anomaly; half of them are changed mildly
INSIDE = 0.3  # share of the other windows whose anomaly is a fault of a hidden signal
UNSAID = 0.4  # share of rules that do not say their size, and of those that do not say their length
WRONG = 2.0  # least factor between the truth and a rule that states another size or length
UNIT = Context(
    activity_width=3,
    channels=[
        ChannelContext(
            name="unit",
            scale=1,
            residual_scale=1,
            quantile_low=0,
            quantile_high=1,
            limit_low=0,
            limit_high=1,
            step=1,
            level_cuts=(0, 0),
            activity_cuts=(0, 0),
        )
    ],
)  # of channels divided by their residual scale, for `augment`


@dataclass(frozen=True)
class Batch:
    """What one step of training sees.

    Parameters
    ----------
    inputs : Tensor [B, C, 19, 128]
    operators : Tensor, int64 [B, R]
        The rules that a window's points are compared with: one for each operator, and one that names the true
        operator with a wrong size or length.
    said : Tensor [B, R, 8]
        What each rule says, see `condition`.
    true : Tensor, int64 [B]
        The window's operator; -1 without an anomaly.
    share : Tensor [B, C, 128]
        How anomalous a cell is, 0 to 1.
    """

    inputs: Tensor
    operators: Tensor
    said: Tensor
    true: Tensor
    share: Tensor


def draw_batch(corpus: list[Group], generator: torch.Generator, rows: int = ROWS, normal: float = NORMAL) -> Batch:
    """Draw windows from the unreferenced part of some processes with the same number of channels, at one factor."""
    sizes = torch.tensor([float(len(group.samples)) for group in corpus])
    group = corpus[int(torch.multinomial(sizes, 1, generator=generator))]
    factor = FACTORS[int(torch.randint(len(FACTORS), (1,), generator=generator))]
    count, window = max(3, rows // group.channels), WINDOW * factor
    which = torch.randint(len(group.samples), (count,), generator=generator)
    hosts = _hosts(group, which, window, generator)
    quiet = round(normal * count)
    operator = draw_operators(count, group.channels, generator)
    made = draw_anomalies(hosts, operator, generator)
    made = _replaced(
        made, _faults(group, which, window, generator), slice(count - round(INSIDE * (count - quiet)), None)
    )
    true = made.operator.clone()
    true[:quiet] = -1
    raw = made.twin.clone()
    mild = slice(quiet // 2, quiet)
    raw[mild] = augment(raw[mild] / hosts.residual[mild], generator, UNIT) * hosts.residual[mild]
    raw[quiet:] = made.samples[quiet:]
    device = raw.device
    which = which.to(device)
    standard = standardise(raw, group.scales.centre[which], group.scales.scale[which])
    references = group.references[factor]
    allowed = torch.ones(count, references.cells.shape[2] - WINDOW + 1, dtype=torch.bool, device=device)
    share = made.share.unflatten(2, (WINDOW, factor)).amax(3)
    share[:quiet] = 0
    operators, said = _rules(made, factor, generator)
    return Batch(
        inputs(standard, references, group.usual[factor], which, allowed),
        operators.to(device),
        said.to(device),
        true,
        share,
    )


def _hosts(group: Group, which: Tensor, window: int, generator: torch.Generator) -> Hosts:
    """Cut hosts of two windows out of the last part of processes, and donors out of any part."""
    total, device = group.samples.shape[2], group.samples.device
    first = int(TRAINED * total)
    start = torch.randint(first, total - 2 * window + 1, (len(which),), generator=generator)
    other = torch.randint(0, total - 2 * window + 1, (len(which),), generator=generator)
    which, start, other = which.to(device), start.to(device), other.to(device)
    channel = torch.arange(group.channels, device=device)[None, :, None]
    time = torch.arange(2 * window, device=device)
    scales = {name: value[which][..., None] for name, value in vars(group.scales).items() if name != "centre"}
    return Hosts(
        samples=group.samples[which[:, None, None], channel, start[:, None, None] + time],
        donor=group.samples[which[:, None, None], channel, other[:, None, None] + time],
        cycle=group.cycle[which].view(-1, 1, 1),
        **scales,
    )


def _faults(group: Group, which: Tensor, window: int, generator: torch.Generator) -> Anomalies:
    """Cut windows that show a fault of a hidden signal out of their stretches."""
    first, length = stretch()
    device = group.samples.device
    number = torch.randint(STRETCHES, (len(which),), generator=generator).to(device)
    where, which = torch.rand(len(which), generator=generator).to(device), which.to(device)
    begin, lasts = group.faults.start[which, number], group.faults.length[which, number]
    seen = begin - window + window / 16 + where * (lasts + window - window / 8)
    start = (first + number * length + seen.clamp(min=0, max=length - window)).long()
    time = start[:, None, None] + torch.arange(window, device=device)
    at = (which[:, None, None], torch.arange(group.channels, device=device)[None, :, None], time)
    samples, twin = group.faults.samples[at], group.samples[at]
    residual, scale = (x[which][..., None] for x in (group.scales.residual, group.scales.scale))
    return Anomalies(
        samples=samples,
        twin=twin,
        operator=group.faults.operator[which, number],
        share=share_of_change(samples, twin, residual, scale),
        size=((samples - twin).abs() / scale).amax((1, 2)),
        length=group.faults.length[which, number],
        creep=group.faults.creep[which, number],
    )


def _replaced(made: Anomalies, other: Anomalies, rows: slice) -> Anomalies:
    """Return anomalies with some rows from ``other``."""
    return Anomalies(*(torch.cat([a[: rows.start], b[rows]]) for a, b in zip(made, other, strict=True)))


def _rules(made: Anomalies, factor: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw what the rules say: the true operator's rule tells the truth, all others say anything."""
    count, rules = len(made.operator), len(NAMES) + 1
    operator = made.operator.cpu()
    operators = torch.cat([torch.arange(len(NAMES)).expand(count, -1), operator[:, None]], 1)
    size, length = made.size.cpu(), made.length.cpu() / factor
    said_size = _range(torch.exp(torch.rand(count, rules, generator=generator) * 3.7 - 1.2), generator)
    said_length = _range(torch.exp(torch.rand(count, rules, generator=generator) * 5.0), generator)
    row = torch.arange(count)
    said_size[row, operator] = _range(size, generator)
    said_length[row, operator] = _range(length, generator)
    # The last rule names the true operator, but is wrong about the size or the length.
    wrong_size = torch.rand(count, generator=generator) < 0.5
    said_size[:, -1] = torch.where(wrong_size[:, None], _missed(size, generator), _range(size, generator))
    said_length[:, -1] = torch.where(wrong_size[:, None], _range(length, generator), _missed(length, generator))
    unsaid = torch.rand(2, count, rules, generator=generator) < UNSAID
    unsaid[:, :, -1] = False
    said_size[unsaid[0]], said_length[unsaid[1]] = torch.nan, torch.nan
    creep = torch.rand(count, rules, generator=generator) * (torch.rand(count, rules, generator=generator) < 0.5)
    creep[row, operator] = made.creep.cpu()
    creep[torch.rand(count, rules, generator=generator) < 0.7] = torch.nan
    creep[:, -1] = torch.nan
    return operators, condition(said_size, said_length, creep)


def _range(truth: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a range around positive values, [..., 2]; its width is a factor of up to 6."""
    width = 1.8 * torch.rand(*truth.shape, 1, generator=generator)
    below = torch.rand(*truth.shape, 1, generator=generator) * width
    return truth[..., None].clamp(min=1e-2) * torch.exp(torch.cat([-below, width - below], -1))


def _missed(truth: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a range that is above or below the truth by a factor of at least `WRONG`."""
    away = torch.exp(torch.rand(truth.shape, generator=generator) * 1.2) * WRONG
    low = torch.rand(truth.shape, generator=generator) < 0.5
    edge = torch.where(low, truth / away, truth * away)[:, None]
    width = torch.exp(1.2 * torch.rand(*truth.shape, 1, generator=generator))
    return torch.where(low[:, None], torch.cat([edge / width, edge], 1), torch.cat([edge, edge * width], 1))
