"""Choosing where in its host window an anomaly goes, under a rule's contextual and duration priors."""

from __future__ import annotations

import torch
from torch import Tensor

from ape.rules.schema import Context, ContextualPrior, DurationPrior, Tercile

TERCILES: tuple[Tercile, ...] = ("low", "middle", "high")
MAX_SHARE = 0.8  # of the window that one anomaly may cover


def draw(low: float, high: float, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Uniform draws on the CPU, so that they do not depend on the device of the windows."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def draw_log(low: float, high: float, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Log-uniform draws."""
    return low * (high / low) ** torch.rand(shape, generator=generator)


def draw_length(
    prior: DurationPrior, context: Context, window: int, shortest: int, generator: torch.Generator, count: int
) -> Tensor:
    """Lengths in samples, int64 [B]: from ``shortest`` to `MAX_SHARE` of the window."""
    unit = context.cycle if prior.unit == "periods" else 1
    length = draw_log(prior.low, prior.high, generator, (count,)) * unit
    longest = max(shortest, int(MAX_SHARE * window))
    return length.round().clamp(min=shortest, max=longest).long()


def allowed_starts(prior: ContextualPrior, context: Context, windows: Tensor, starts: Tensor | None) -> Tensor:
    """Positions, bool [B, L], at which the contextual prior lets an anomaly begin."""
    batch, _, window = windows.shape
    allowed = torch.ones(batch, window, dtype=torch.bool, device=windows.device)
    if prior.phase is not None and context.period is not None and starts is not None:
        position = starts.to(windows.device)[:, None] + torch.arange(window, device=windows.device)
        phase = torch.remainder(position - context.phase_origin, context.period) / context.period
        low = prior.phase.low % 1.0
        allowed &= torch.remainder(phase - low, 1.0) <= prior.phase.high - prior.phase.low
    chosen = channel_indices(prior, context)
    if prior.level:
        cuts = [context.channels[c].level_cuts for c in chosen]
        allowed &= _in_terciles(windows[:, chosen], cuts, prior.level)
    if prior.activity:
        cuts = [context.channels[c].activity_cuts for c in chosen]
        allowed &= _in_terciles(_rolling_std(windows[:, chosen], context.activity_width), cuts, prior.activity)
    return allowed


def draw_start(allowed: Tensor, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One allowed start a window, int64 [B], from which the anomaly ends inside it, and whether there was one, bool."""
    batch, window = allowed.shape
    fits = torch.arange(window) <= (window - length.cpu())[:, None]
    key = torch.rand(batch, window, generator=generator).masked_fill(~(allowed.cpu() & fits), -1.0)
    best, start = key.max(dim=1)
    return start, best >= 0


def draw_channels(prior: ContextualPrior, context: Context, generator: torch.Generator, count: int) -> Tensor:
    """Which channels each anomaly touches, bool [B, C], at least one."""
    total = len(context.channels)
    candidates = torch.zeros(total, dtype=torch.bool)
    candidates[channel_indices(prior, context)] = True
    key = torch.rand(count, total, generator=generator).masked_fill(~candidates, -1.0)
    first = torch.nn.functional.one_hot(key.argmax(dim=1), total).bool()
    if prior.spread == "one":
        return first
    if prior.spread == "all":
        return candidates.expand(count, total).clone()
    return first | (candidates & (torch.rand(count, total, generator=generator) < 0.5))


def channel_indices(prior: ContextualPrior, context: Context) -> list[int]:
    """Columns that a contextual prior names, or all."""
    names = [channel.name for channel in context.channels]
    return [names.index(name) for name in prior.channels] or list(range(len(names)))


def _in_terciles(values: Tensor, cuts: list[tuple[float, float]], wanted: list[Tercile]) -> Tensor:
    """Where any of the channels, [B, k, L], lies in one of the wanted terciles, bool [B, L]."""
    bounds = torch.tensor(cuts, dtype=values.dtype, device=values.device)
    tercile = (values > bounds[:, :1]).long() + (values > bounds[:, 1:]).long()
    codes = torch.tensor([TERCILES.index(name) for name in wanted], device=values.device)
    return torch.isin(tercile, codes).any(dim=1)


def _rolling_std(windows: Tensor, width: int) -> Tensor:
    width = min(width | 1, (windows.shape[2] - 1) | 1)
    half = width // 2
    padded = torch.nn.functional.pad(windows, (half, half), mode="replicate")
    return padded.unfold(2, width, 1).std(dim=-1, correction=0)
