"""Place anomalies in their host windows, under a rule's contextual and duration priors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ape.rules.naming import channel_indices, named_channels, studied_channels
from ape.rules.schema import Context, ContextualPrior, DurationPrior, Rule, Tercile
from ape.series.groups import WIDE

TERCILES: tuple[Tercile, ...] = ("low", "middle", "high")
MAX_SHARE = 0.8  # of the window that one anomaly may cover


def draw_uniform(low: float, high: float, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Draw uniformly, always on the CPU, so that the draws do not depend on the device of the windows."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def draw_log_uniform(low: float, high: float, generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Draw log-uniformly on the CPU."""
    return low * (high / low) ** torch.rand(shape, generator=generator)


def draw_length(
    prior: DurationPrior, context: Context, window: int, shortest: int, generator: torch.Generator, count: int
) -> Tensor:
    """Draw durations in samples, int64 [B], between ``shortest`` and `MAX_SHARE` of the window."""
    unit = context.cycle if prior.unit == "periods" else 1
    length = draw_log_uniform(prior.low, prior.high, generator, (count,)) * unit
    longest = max(shortest, int(MAX_SHARE * window))
    return length.round().clamp(min=shortest, max=longest).long()


def allowed_starts(prior: ContextualPrior, context: Context, windows: Tensor, starts: Tensor | None) -> Tensor:
    """Return the positions at which the contextual prior allows an anomaly to start, bool [B, L].

    Parameters
    ----------
    prior : ContextualPrior
    context : Context
    windows : Tensor, float [B, C, L]
    starts : Tensor, int64 [B], or None
        Positions of the windows in the series. Without them, the priors on phase, hours and weekdays are ignored.
    """
    batch, _, window = windows.shape
    allowed = torch.ones(batch, window, dtype=torch.bool, device=windows.device)
    if prior.phase is not None and context.period is not None and starts is not None:
        step = _steps(context, starts.to(windows.device), window)
        phase = torch.remainder(step - context.phase_origin, context.period) / context.period
        low = prior.phase.low % 1.0
        allowed &= torch.remainder(phase - low, 1.0) <= prior.phase.high - prior.phase.low
    if context.hours_per_step and context.first_hour is not None and starts is not None:
        hours = _hours(context, starts.to(windows.device), window)
        if prior.hours is not None:
            allowed &= torch.remainder(hours - prior.hours.low, 24.0) <= prior.hours.high - prior.hours.low
        if prior.weekdays and context.first_weekday is not None:
            weekday = torch.remainder(context.first_weekday + hours.div(24.0, rounding_mode="floor"), 7.0)
            allowed &= torch.isin(weekday.long(), torch.tensor(prior.weekdays, device=windows.device))
    chosen = studied_channels(prior, context)
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


def _steps(context: Context, starts: Tensor, window: int) -> Tensor:
    """Return the sampling steps from the first point of the series to each point of windows, int64 [B, L].

    Missing rows count, so that phase and hour stay right after a gap.
    """
    after = torch.tensor([gap.position for gap in context.gaps], dtype=torch.long, device=starts.device)
    missing = torch.tensor([0, *(gap.missing for gap in context.gaps)], device=starts.device).cumsum(0)
    first = starts + missing[torch.searchsorted(after, starts, right=True)]
    return first[:, None] + torch.arange(window, device=starts.device)


def _hours(context: Context, starts: Tensor, window: int) -> Tensor:
    """Return the hours from the midnight before the series to each point of windows, on its clock, float64 [B, L]."""
    first, step = context.first_hour or 0.0, context.hours_per_step or 0.0
    hours = first + _steps(context, starts, window).double() * step
    if not context.clock_changes:
        return hours
    at = torch.tensor([change.position for change in context.clock_changes], device=starts.device)
    ahead = torch.tensor([0.0, *(change.hours for change in context.clock_changes)], device=starts.device).cumsum(0)
    points = starts[:, None] + torch.arange(window, device=starts.device)
    return hours + ahead[torch.searchsorted(at, points, right=True)]


def hours_of_week(context: Context, length: int) -> np.ndarray | None:
    """Return the hours since Monday, 0:00, of the first points of a series, float64 [length]; None without times."""
    if context.first_weekday is None or context.first_hour is None or not context.hours_per_step:
        return None
    hours = _hours(context, torch.arange(length), 1)[:, 0]
    return np.asarray((24.0 * context.first_weekday + hours).remainder(168.0))


def needs_starts(prior: ContextualPrior) -> bool:
    """Return whether the prior depends on the position of a window in the series."""
    return prior.phase is not None or prior.hours is not None or bool(prior.weekdays)


def draw_start(allowed: Tensor, length: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw one allowed start for each window at which the anomaly fits.

    Returns
    -------
    start : Tensor, int64 [B]
    has_place : Tensor, bool [B]
        Whether the window has an allowed start.
    """
    batch, window = allowed.shape
    fits = torch.arange(window) <= (window - length.cpu())[:, None]
    key = torch.rand(batch, window, generator=generator).masked_fill(~(allowed.cpu() & fits), -1.0)
    best, start = key.max(dim=1)
    return start, best >= 0


def draw_channels(
    prior: ContextualPrior, context: Context, generator: torch.Generator, count: int, *, relational: bool
) -> Tensor:
    """Draw the affected channels of each anomaly, bool [B, C]: at least one, and with ``relational`` not all.

    Where a prior names no channels of a wide series, the channels of an anomaly are of one group.
    """
    total = len(context.channels)
    candidates = torch.zeros(total, dtype=torch.bool)
    candidates[channel_indices(prior, context)] = True
    key = torch.rand(count, total, generator=generator).masked_fill(~candidates, -1.0)
    first = torch.nn.functional.one_hot(key.argmax(dim=1), total).bool()
    if prior.spread == "one":
        return first
    fitting = candidates.expand(count, total)
    by_group = len(context.channels) > WIDE or bool(context.groups)
    if by_group and not named_channels(prior, context):
        fitting = _together(context)[first.float().argmax(dim=1)]
    if prior.spread == "all":
        chosen = fitting.clone()
    else:
        chosen = first | (fitting & (torch.rand(count, total, generator=generator) < 0.5))
    if relational:
        whole = fitting if by_group else torch.ones_like(fitting)
        chosen = torch.where((chosen == whole).all(dim=1, keepdim=True), first, chosen)
    return chosen


def _together(context: Context) -> Tensor:
    """Return which channels are in one group, bool [C, C]; those in none are alone."""
    number = {name: k for k, group in enumerate(context.groups) for name in group.channels}
    own = torch.tensor([number.get(channel.name, -1 - c) for c, channel in enumerate(context.channels)])
    return own[:, None] == own


def reached_channels(rule: Rule, context: Context) -> list[bool]:
    """Return which channels of the series a rule may change: those that it names, and those that follow them, [C]."""
    named = set(channel_indices(rule.context, context))
    follow = {each.channel for c in named for each in context.channels[c].responses} if rule.acts_through else set()
    return [c in named or channel.name in follow for c, channel in enumerate(context.channels)]


def _since_change(values: Tensor, steps: list[float]) -> Tensor:
    """Return the samples since any channel of [B, k, L] last moved by more than its step; infinite before, [B, L]."""
    bounds = torch.tensor(steps, dtype=values.dtype, device=values.device).view(1, -1, 1)
    jumped = torch.nn.functional.pad(((values[:, :, 1:] - values[:, :, :-1]).abs() > bounds).any(dim=1), (1, 0))
    t = torch.arange(values.shape[2], device=values.device, dtype=torch.float64)
    last = torch.where(jumped, t, torch.full_like(t, -torch.inf)).cummax(dim=1).values
    return t - last


def _in_terciles(values: Tensor, cuts: list[tuple[float, float]], wanted: list[Tercile]) -> Tensor:
    """Return where any channel of [B, k, L] is in one of the wanted terciles, bool [B, L]."""
    bounds = torch.tensor(cuts, dtype=values.dtype, device=values.device)
    tercile = (values > bounds[:, :1]).long() + (values > bounds[:, 1:]).long()
    codes = torch.tensor([TERCILES.index(name) for name in wanted], device=values.device)
    return torch.isin(tercile, codes).any(dim=1)


def _rolling_std(windows: Tensor, width: int) -> Tensor:
    width = min(width | 1, (windows.shape[2] - 1) | 1)
    half = width // 2
    padded = torch.nn.functional.pad(windows, (half, half), mode="replicate")
    return padded.unfold(2, width, 1).std(dim=-1, correction=0)
