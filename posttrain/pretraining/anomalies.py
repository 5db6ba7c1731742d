"""Pseudo-anomalies for windows of many processes at once, with soft labels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ape.posttrain.discriminator.labels import share_of_change
from ape.posttrain.discriminator.network import NAMES
from ape.rules import OPERATORS
from ape.rules.placement import draw_log_uniform, draw_uniform
from ape.rules.registry import Site

SHORTEST, SHORTEST_WARP = 4, 12  # samples; spikes are shorter
SPIKES = {"spike_global": 3, "spike_context": 5}  # longest, in samples
LONGEST = 1.3  # windows
SIZES = (0.4, 8.0), (2.0, 25.0)  # standard deviations of the series, and of its local residual
MOST = 12.0  # standard deviations of the series
CREEPS = 0.25  # share of anomalies that build up slowly
FADE = 0.15  # share of the segment, at each border of an anomaly that may not jump
SETTLE = 150  # samples at the end of a stretch, in which a process recovers

RELATIONAL = torch.tensor([OPERATORS[name].relational for name in NAMES])
JUMPS = torch.tensor([OPERATORS[name].jumps for name in NAMES])
WARPS = torch.tensor([OPERATORS[name].warps for name in NAMES])
LONGEST_SPIKE = torch.tensor([float(SPIKES.get(name, 0)) for name in NAMES])


class Hosts(NamedTuple):
    """Windows of several processes, twice as long as those that are looked at.

    Parameters
    ----------
    samples, donor : Tensor [B, C, 2 L]
        Data units. The donor is from another time of the same process.
    scale, residual, low, high, limit_low, limit_high : Tensor [B, C, 1]
    cycle : Tensor [B, 1, 1]
        Samples.
    """

    samples: Tensor
    donor: Tensor
    scale: Tensor
    residual: Tensor
    low: Tensor
    high: Tensor
    limit_low: Tensor
    limit_high: Tensor
    cycle: Tensor


class Anomalies(NamedTuple):
    """Windows with pseudo-anomalies.

    Parameters
    ----------
    samples, twin : Tensor [B, C, L]
        With and without the anomaly.
    operator : Tensor, int64 [B]
        Place in `ape.posttrain.discriminator.network.NAMES`.
    share : Tensor [B, C, L]
        How anomalous a sample is, 0 to 1: it depends on the size of the change.
    size : Tensor [B]
        Size of an additive change in standard deviations of the series, else its realised peak.
    length : Tensor [B]
        Samples.
    creep : Tensor [B]
        Share of the duration over which the anomaly builds up.
    """

    samples: Tensor
    twin: Tensor
    operator: Tensor
    share: Tensor
    size: Tensor
    length: Tensor
    creep: Tensor


def draw_operators(count: int, channels: int, generator: torch.Generator) -> Tensor:
    """Draw operators uniformly, int64 [B]; those that relate channels only if there are several."""
    weights = torch.ones(len(NAMES)) if channels > 1 else (~RELATIONAL).float()
    return torch.multinomial(weights, count, replacement=True, generator=generator)


def draw_anomalies(hosts: Hosts, operator: Tensor, generator: torch.Generator) -> Anomalies:
    """Put one pseudo-anomaly into each host and cut the window out, so that long ones may begin or end outside.

    Random numbers are drawn on the CPU, so that they do not depend on the device.
    """
    _, channels, total = hosts.samples.shape
    window, device = total // 2, hosts.samples.device
    length, start, crop = _place(operator, window, generator)
    made, creep = _disturb(hosts, operator, length, start, generator)
    index = crop.to(device)[:, None, None] + torch.arange(window, device=device)
    index = index.expand(-1, channels, -1)
    return Anomalies(
        samples=made.gather(2, index),
        twin=hosts.samples.gather(2, index),
        operator=operator.to(device),
        share=share_of_change(made, hosts.samples, hosts.residual, hosts.scale).gather(2, index),
        size=((made - hosts.samples).abs() / hosts.scale).amax((1, 2)),
        length=length.to(device),
        creep=creep.to(device),
    )


def disturb_source(
    values: Tensor, operator: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Put one anomaly into each stretch [B, L] of a standardised hidden signal.

    Returns
    -------
    made : Tensor [B, L]
    start, length : Tensor [B]
        Samples.
    creep : Tensor [B]
    """
    batch, total = values.shape
    unit = torch.ones(batch, 1, 1)
    low, high = values.amin() * unit, values.amax() * unit
    hosts = Hosts(
        samples=values[:, None],
        donor=values.roll(1, 0).roll(int(torch.randint(total, (1,), generator=generator)), 1)[:, None],
        scale=unit,
        residual=0.3 * unit,
        low=low,
        high=high,
        limit_low=low - (high - low),
        limit_high=high + (high - low),
        cycle=draw_log_uniform(10, 300, generator, (batch, 1, 1)),
    )
    length, *_ = _place(operator, total // 2, generator)
    room = (total - SETTLE - length).clamp(min=0)
    start = (torch.rand(batch, generator=generator) * room).round()
    made, creep = _disturb(hosts, operator, length, start, generator)
    return made[:, 0], start, length, creep


def _disturb(
    hosts: Hosts, operator: Tensor, length: Tensor, start: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the hosts with anomalies, [B, C, L], and the share of each over which it builds up, [B]."""
    batch, channels, _ = hosts.samples.shape
    device = hosts.samples.device
    site = _site(hosts, length.to(device), start.to(device), generator)
    chosen = _channels(operator, channels, generator).to(device)[..., None]
    change = _apply(hosts, site, operator, generator) - hosts.samples
    creeps = (torch.rand(batch, generator=generator) < CREEPS) & (LONGEST_SPIKE[operator] == 0)
    creep = torch.where(creeps, torch.rand(batch, generator=generator), 0.0)
    ramp = (site.u / creep.to(device).view(-1, 1, 1).clamp(min=1e-6)).clamp(0, 1)
    change = torch.where(creeps.to(device).view(-1, 1, 1), ramp * change, change)
    change = torch.where(JUMPS[operator].to(device).view(-1, 1, 1), change, change * _fade(site))
    made = torch.minimum(torch.maximum(hosts.samples + change, hosts.limit_low), hosts.limit_high)
    return torch.where(site.inside & chosen, made, hosts.samples), creep


def _place(operator: Tensor, window: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw length and start of each anomaly, and the start of the window that shows it, in samples."""
    count = len(operator)
    shortest = torch.where(WARPS[operator], SHORTEST_WARP, SHORTEST).float()
    longest = torch.full((count,), LONGEST * window)
    spike = LONGEST_SPIKE[operator]
    shortest, longest = torch.where(spike > 0, 1.0, shortest), torch.where(spike > 0, spike + 0.49, longest)
    length = (shortest * (longest / shortest) ** torch.rand(count, generator=generator)).round()
    crop = torch.randint(window + 1, (count,), generator=generator)
    overlap = torch.minimum(length, torch.tensor(max(1.0, window / 16)))
    low = (crop - length + overlap).clamp(min=0)
    high = torch.minimum(crop + window - overlap, 2 * window - length).clamp(min=0)
    start = (low + torch.rand(count, generator=generator) * (high - low).clamp(min=0)).round()
    return length, start, crop


def _site(hosts: Hosts, length: Tensor, start: Tensor, generator: torch.Generator) -> Site:
    """Draw the size, sign and noise of each anomaly, and describe its segment."""
    batch, channels, total = hosts.samples.shape
    device = hosts.samples.device
    start, length = start.view(-1, 1, 1), length.view(-1, 1, 1)
    t = torch.arange(total, device=device, dtype=torch.float32).view(1, 1, -1)
    in_series = draw_log_uniform(*SIZES[0], generator, (batch, 1, 1)).to(device) * hosts.scale
    in_residual = draw_log_uniform(*SIZES[1], generator, (batch, 1, 1)).to(device) * hosts.residual
    which = (torch.rand(batch, 1, 1, generator=generator) < 0.5).to(device)
    size = torch.minimum(torch.where(which, in_series, in_residual), MOST * hosts.scale)
    sign = torch.where(torch.rand(batch, 1, 1, generator=generator) < 0.5, -1.0, 1.0).to(device)
    return Site(
        u=(t - start) / (length - 1).clamp(min=1),
        inside=(t >= start) & (t < start + length),
        start=start,
        length=length,
        amount=sign * size,
        noise=torch.randn(batch, channels, total, generator=generator).to(device),
        donor=hosts.donor,
        low=hosts.low,
        high=hosts.high,
        zero=torch.zeros_like(hosts.low),
        scale=hosts.scale,
        cycle=hosts.cycle,  # type: ignore[arg-type] # one value a window; the operators broadcast it
    )


def _channels(operator: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    """Draw the affected channels, bool [B, C]: one, some or all, and of relational operators not all."""
    first = torch.nn.functional.one_hot(torch.randint(channels, (len(operator),), generator=generator), channels).bool()
    some = first | (torch.rand(len(operator), channels, generator=generator) < 0.5)
    kind = torch.rand(len(operator), 1, generator=generator)
    chosen = torch.where(kind < 0.5, first, torch.where(kind < 0.8, some, torch.ones_like(some)))
    return torch.where(RELATIONAL[operator][:, None] & chosen.all(1, keepdim=True), first, chosen)


def _apply(hosts: Hosts, site: Site, operator: Tensor, generator: torch.Generator) -> Tensor:
    """Apply to each host its operator with default parameters; a loop over operators, not over windows."""
    values = hosts.samples.clone()
    for k in operator.unique().tolist():
        rows = torch.nonzero(operator == k)[:, 0].to(values.device)
        entry = OPERATORS[NAMES[k]]
        parameters = {
            name: draw_uniform(*bounds.default, generator, (len(rows), 1, 1)).to(values.device)
            for name, bounds in entry.parameters.items()
        }
        part = Site(**{name: value[rows] for name, value in vars(site).items()})
        values[rows] = entry.apply(hosts.samples[rows], part, parameters)
    return values


def _fade(site: Site) -> Tensor:
    """Return weights that rise and fall as a raised cosine at the borders of the segment."""
    width = (FADE * site.length).clamp(min=2) / (site.length - 1).clamp(min=1)
    nearest = torch.minimum(site.u, 1 - site.u) / width
    return 0.5 - 0.5 * torch.cos(torch.pi * nearest.clamp(0, 1))
