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
    if prior.hours is not None and context.hours_per_step and context.first_hour is not None and starts is not None:
        position = starts.to(windows.device)[:, None] + torch.arange(window, device=windows.device)
        hour = torch.remainder(context.first_hour + position.double() * context.hours_per_step, 24.0)
        allowed &= torch.remainder(hour - prior.hours.low, 24.0) <= prior.hours.high - prior.hours.low
    chosen = channel_indices(prior, context)
    if prior.after_change is not None:
        since = _since_change(windows[:, chosen], [context.channels[c].step for c in chosen])
        allowed &= (since >= prior.after_change.low) & (since <= prior.after_change.high)
    if prior.level:
        cuts = [context.channels[c].level_cuts for c in chosen]
        allowed &= _in_terciles(windows[:, chosen], cuts, prior.level)
    if prior.activity:
        cuts = [context.channels[c].activity_cuts for c in chosen]
        allowed &= _in_terciles(_rolling_std(windows[:, chosen], context.activity_width), cuts, prior.activity)
    return allowed


def bound_to_time(prior: ContextualPrior) -> bool:
    """Whether a contextual prior needs to know where in the series a window lies."""
    return prior.phase is not None or prior.hours is not None


def draw_start(allowed: Tensor, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One allowed start a window, int64 [B], from which the anomaly ends inside it, and whether there was one, bool."""
    batch, window = allowed.shape
    fits = torch.arange(window) <= (window - length.cpu())[:, None]
    key = torch.rand(batch, window, generator=generator).masked_fill(~(allowed.cpu() & fits), -1.0)
    best, start = key.max(dim=1)
    return start, best >= 0


def draw_channels(
    prior: ContextualPrior, context: Context, generator: torch.Generator, count: int, *, relational: bool = False
) -> Tensor:
    """Which channels each anomaly touches, bool [B, C], at least one; with ``relational`` not all."""
    total = len(context.channels)
    candidates = torch.zeros(total, dtype=torch.bool)
    candidates[channel_indices(prior, context)] = True
    key = torch.rand(count, total, generator=generator).masked_fill(~candidates, -1.0)
    first = torch.nn.functional.one_hot(key.argmax(dim=1), total).bool()
    if prior.spread == "one":
        return first
    if prior.spread == "all":
        chosen = candidates.expand(count, total).clone()
    else:
        chosen = first | (candidates & (torch.rand(count, total, generator=generator) < 0.5))
    if relational:
        chosen = torch.where(chosen.all(dim=1, keepdim=True), first, chosen)
    return chosen


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


def _since_change(values: Tensor, steps: list[float]) -> Tensor:
    """Samples since any of the channels, [B, k, L], last moved by more than its ``step``; infinite before, [B, L]."""
    bounds = torch.tensor(steps, dtype=values.dtype, device=values.device).view(1, -1, 1)
    jumped = torch.nn.functional.pad(((values[:, :, 1:] - values[:, :, :-1]).abs() > bounds).any(dim=1), (1, 0))
    t = torch.arange(values.shape[2], device=values.device, dtype=torch.float64)
    last = torch.where(jumped, t, torch.full_like(t, -torch.inf)).cummax(dim=1).values
    return t - last


def _rolling_std(windows: Tensor, width: int) -> Tensor:
    width = min(width | 1, (windows.shape[2] - 1) | 1)
    half = width // 2
    padded = torch.nn.functional.pad(windows, (half, half), mode="replicate")
    return padded.unfold(2, width, 1).std(dim=-1, correction=0)
