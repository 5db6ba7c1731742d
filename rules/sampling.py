"""Sampling of pseudo-anomalies: place, apply the program, blend the borders, check the gates.

This is the paper's generator G(X; tau, phi) for host windows X, operator tau and its parameters phi.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ape.rules.operators import OPERATORS
from ape.rules.placement import (
    allowed_starts,
    draw_channels,
    draw_length,
    draw_log_uniform,
    draw_start,
    draw_uniform,
    needs_starts,
)
from ape.rules.registry import Operator, Site
from ape.rules.schema import Context, EmptyBankError, Rule
from ape.series.groups import WIDE

TRIES = 6  # draws for each host; the last one is forced to have an effect
FADE_SHARE = 0.15  # of the segment, at each border of a rule that may not jump
MIN_EFFECT_RESIDUAL, MIN_EFFECT_SERIES = 0.3, 0.1  # root mean square change, in robust sd
LAGS = 12  # shifts of the host to either side that an anomaly is compared with
MARGIN_SHARE = 0.25  # of the segment; compared on either side of it as well
RANGE_SLACK = 0.1  # of the normal range, for operators that must stay inside it
SHORTEST_SMOOTH, SHORTEST_WARP = 5, 8  # samples


class Sample(NamedTuple):
    """A batch of pseudo-anomalies: ``pseudo`` [B, C, L], ``mask`` bool [B, C, L], ``rule_id`` int64 [B]."""

    pseudo: Tensor
    mask: Tensor
    rule_id: Tensor


def draw_anomalies(
    rules: Sequence[Rule],
    context: Context,
    windows: Tensor,
    generator: torch.Generator,
    starts: Tensor | None,
    *,
    where: str,
) -> tuple[Sample, Tensor]:
    """Give every host window one pseudo-anomaly; see `ape.rules.bank.RuleBank.sample`.

    Parameters
    ----------
    where : str
        Names the rules in error messages.

    Returns
    -------
    sample : Sample
    passed : Tensor, bool [B]
        Whether the rule's program passed all gates at a place that the rule allows. Otherwise the anomaly is at
        another place, or is a plain bump.
    """
    usable = usable_rules(rules, windows, starts)
    if not usable:
        raise EmptyBankError("the Rule Bank has no usable rule", where, "mine again, or give the windows' starts")
    if windows.shape[1] != len(context.channels):
        msg = f"windows have {windows.shape[1]} channels, the bank's series has {len(context.channels)}"
        raise ValueError(msg)
    scales = _channel_scales(context, windows)
    weights = torch.tensor([rules[i].weight for i in usable])
    chosen = torch.tensor(usable)[torch.multinomial(weights, len(windows), replacement=True, generator=generator)]
    pseudo, passed = windows.clone(), torch.zeros(len(windows), dtype=torch.bool)
    for attempt in range(TRIES):
        for index in usable:
            rows = torch.nonzero((chosen == index) & ~passed)[:, 0]
            if len(rows) == 0:
                continue
            last = attempt == TRIES - 1
            made, good = _apply_rule(rules[index], context, windows, rows, starts, scales, generator, force=last)
            accept = torch.ones_like(good) if last else good
            pseudo[rows[accept].to(windows.device)] = made[accept.to(windows.device)]
            passed[rows[good]] = True
    mask = pseudo != windows
    return Sample(pseudo, mask, chosen.to(windows.device)), passed


def usable_rules(rules: Sequence[Rule], windows: Tensor, starts: Tensor | None) -> list[int]:
    """Return the indices of the rules that can be placed in windows [B, C, L] at ``starts``, int64 [B] or None."""
    return [
        i
        for i, rule in enumerate(rules)
        if (starts is not None or not needs_starts(rule.context)) and (windows.shape[1] > 1 or not rule.relational)
    ]


class _Scales(NamedTuple):
    """Channel statistics as [1, C, 1] tensors on the windows' device; [n, k, 1] of the k channels of n anomalies."""

    scale: Tensor
    residual: Tensor
    low: Tensor
    high: Tensor
    limit_low: Tensor
    limit_high: Tensor
    step: Tensor
    zero: Tensor

    def take(self, columns: Tensor) -> _Scales:
        """Return the statistics of some channels [n, k] of each anomaly."""
        return _Scales(*(each[0].to(columns.device)[columns] for each in self))


def _channel_scales(context: Context, windows: Tensor) -> _Scales:
    fields = ("scale", "residual_scale", "quantile_low", "quantile_high", "limit_low", "limit_high", "step", "zero")
    return _Scales(
        *(
            torch.tensor([getattr(channel, field) for channel in context.channels])
            .to(device=windows.device, dtype=windows.dtype)
            .view(1, -1, 1)
            for field in fields
        )
    )


def _apply_rule(
    rule: Rule,
    context: Context,
    windows: Tensor,
    rows: Tensor,
    starts: Tensor | None,
    scales: _Scales,
    generator: torch.Generator,
    *,
    force: bool,
) -> tuple[Tensor, Tensor]:
    """Return anomalies of one rule for some hosts, and which of them pass all gates, bool [n] on the CPU.

    With ``force``, hosts without an allowed place get their anomaly anywhere, and anomalies that fail a gate are
    replaced by a bump.
    """
    device = windows.device
    hosts = windows[rows.to(device)]
    count, window = len(rows), hosts.shape[2]
    operators = [OPERATORS[step.operator] for step in rule.program]
    shortest = SHORTEST_WARP if any(op.warps for op in operators) else 1 if rule.may_jump else SHORTEST_SMOOTH
    length = draw_length(rule.duration, context, window, shortest, generator, count)
    allowed = allowed_starts(rule.context, context, hosts, None if starts is None else starts[rows.to(starts.device)])
    start, has_place = draw_start(allowed, length, generator)
    if force:
        anywhere, _ = draw_start(torch.ones_like(allowed), length, generator)
        start = torch.where(has_place, start, anywhere)
    channels = draw_channels(rule.context, context, generator, count, relational=rule.relational).to(device)
    whole, every, columns = hosts, scales, None
    if len(context.channels) > WIDE:  # only the channels that may change are computed
        columns = channels.int().argsort(dim=1, descending=True, stable=True)[:, : int(channels.sum(1).max())]
        hosts, channels, scales = _at(hosts, columns), channels.gather(1, columns), scales.take(columns)
    channels = channels[:, :, None]
    site = _site(rule, scales, context, windows, hosts, start, length, generator, columns)
    made = _run_program(rule, operators, hosts, site, channels, scales, generator)
    good = _passes_gates(rule, operators, hosts, made, site, scales)
    if force:
        made = torch.where(good[:, None, None], made, _bump(hosts, site, channels, scales))
    if columns is not None:
        made = whole.scatter(1, columns[:, :, None].expand_as(made), made)
        channels = torch.zeros_like(whole[:, :, :1], dtype=torch.bool).scatter(1, columns[:, :, None], channels)
    if rule.acts_through:
        made = _followed(whole, made, channels, context, every)
    return made, good.cpu() & has_place


def _at(windows: Tensor, columns: Tensor) -> Tensor:
    """Return the channels [n, k] of windows [n, C, L], [n, k, L]."""
    return windows.gather(1, columns[:, :, None].expand(-1, -1, windows.shape[2]))


def _site(
    rule: Rule,
    scales: _Scales,
    context: Context,
    windows: Tensor,
    hosts: Tensor,
    start: Tensor,
    length: Tensor,
    generator: torch.Generator,
    columns: Tensor | None,
) -> Site:
    """Draw the size, sign, noise and donor of each anomaly in its ``columns`` [n, k], and describe its segment."""
    count, channels, window = hosts.shape
    device = hosts.device
    start = start.to(device).view(-1, 1, 1).to(hosts.dtype)
    length = length.to(device).view(-1, 1, 1).to(hosts.dtype)
    t = torch.arange(window, device=device, dtype=hosts.dtype).view(1, 1, -1)
    size = draw_log_uniform(rule.scale.low, rule.scale.high, generator, (count, 1, 1)).to(device)
    unit = {"residual_sd": scales.residual, "series_sd": scales.scale, "data": torch.ones_like(scales.scale)}
    sign = torch.where(torch.rand(count, 1, 1, generator=generator) < 0.5, -1.0, 1.0).to(device)
    if rule.scale.direction != "either":  # drawn all the same, so that other draws do not depend on it
        sign = torch.full_like(sign, 1.0 if rule.scale.direction == "up" else -1.0)
    donor = torch.randint(len(windows), (count,), generator=generator).to(device)
    shift = torch.randint(window, (count, 1, 1), generator=generator).to(device)
    donor_time = torch.remainder(t.long() + shift, window).expand(count, channels, window)
    given = windows[donor] if columns is None else windows[donor[:, None], columns]
    return Site(
        u=(t - start) / (length - 1).clamp(min=1),
        inside=(t >= start) & (t < start + length),
        start=start,
        length=length,
        amount=sign * size * unit[rule.scale.unit],
        noise=torch.randn(count, channels, window, generator=generator).to(device),
        donor=given.gather(2, donor_time),
        low=scales.low,
        high=scales.high,
        zero=scales.zero,
        scale=scales.scale,
        cycle=float(context.cycle),
    )


def _run_program(
    rule: Rule,
    operators: list[Operator],
    hosts: Tensor,
    site: Site,
    channels: Tensor,
    scales: _Scales,
    generator: torch.Generator,
) -> Tensor:
    """Apply the operators one after another, then the creep, the fade at the borders, and the limits."""
    count, device = len(hosts), hosts.device
    made = hosts
    for step, op in zip(rule.program, operators, strict=True):
        given = {parameter.name: (parameter.low, parameter.high) for parameter in step.parameters}
        values = {
            name: draw_uniform(*given.get(name, bounds.default), generator, (count, 1, 1)).to(device)
            for name, bounds in op.parameters.items()
        }
        made = torch.where(site.inside & channels, op.apply(made, site, values), made)
    if rule.creep is not None:
        share = draw_uniform(rule.creep.low, rule.creep.high, generator, (count, 1, 1)).to(device)
        made = hosts + (site.u / share.clamp_min(1e-6)).clamp(0, 1) * (made - hosts)
    if not rule.may_jump:
        made = hosts + _fade(site, hosts.shape[2]) * (made - hosts)
    low, high = scales.limit_low, scales.limit_high
    if rule.reaches_zero:
        low, high = torch.minimum(low, scales.zero), torch.maximum(high, scales.zero)
    made = torch.minimum(torch.maximum(made, low), high)
    return torch.where(site.inside & channels, made, hosts)


def _fade(site: Site, window: int) -> Tensor:
    """Return weights that rise and fall as a raised cosine at the segment's borders; no fade at the window's ends."""
    width = (FADE_SHARE * site.length).clamp(min=2) / (site.length - 1).clamp(min=1)
    left = torch.where(site.start <= 0, torch.ones_like(site.u), site.u / width)
    right = torch.where(site.start + site.length >= window, torch.ones_like(site.u), (1 - site.u) / width)
    return 0.5 - 0.5 * torch.cos(torch.pi * torch.minimum(left, right).clamp(0, 1))


def _passes_gates(
    rule: Rule, operators: list[Operator], hosts: Tensor, made: Tensor, site: Site, scales: _Scales
) -> Tensor:
    """Return which anomalies have an effect, are new in their host, stay in range, and have smooth borders, bool [n].

    The range and the borders are checked only if the rule's operators must respect them.
    """
    good = _has_effect(hosts, made, scales) & _differs_from_nearby(hosts, made, site, scales)
    if not any(op.leaves_range for op in operators):
        slack = RANGE_SLACK * (scales.high - scales.low)
        outside = (made > scales.high + slack) | (made < scales.low - slack)
        good &= ~(outside & (made != hosts)).any(dim=2).any(dim=1)
    if not rule.may_jump:
        good &= _borders_are_smooth(hosts, made, scales)
    return good


def _has_effect(hosts: Tensor, made: Tensor, scales: _Scales) -> Tensor:
    """Return whether some channel changes enough: root mean square over its changed values; bool [n]."""
    changed = made != hosts
    square = (made - hosts).double().square().sum(2) / changed.sum(2).clamp(min=1)  # float32 squares may underflow
    return (square.sqrt() >= _least_effect(scales)).any(dim=1)


def _least_effect(scales: _Scales) -> Tensor:
    """Smallest root mean square change that counts as an anomaly, [1, C]."""
    return torch.maximum(MIN_EFFECT_RESIDUAL * scales.residual, MIN_EFFECT_SERIES * scales.scale)[:, :, 0]


def _differs_from_nearby(hosts: Tensor, made: Tensor, site: Site, scales: _Scales) -> Tensor:
    """Return whether the anomaly, with a margin, differs from its host at every nearby shift; bool [n].

    A pasted stretch at its own phase, or a shift by a whole cycle, is invisible. The anomaly is compared with the host
    at `LAGS` shifts to either side, up to one and a half cycles.
    """
    window = hosts.shape[2]
    margin = (MARGIN_SHARE * site.length).clamp(min=max(4.0, site.cycle / 8))
    t = torch.arange(window, device=hosts.device)
    near = ((t >= site.start - margin) & (t < site.start + site.length + margin)).double()
    centre = hosts.double().mean(2, keepdim=True)
    host, other = hosts - centre, made - centre
    reach = min(1.5 * site.cycle, window / 2)
    lags = torch.tensor(sorted({round(reach * step / LAGS) for step in range(-LAGS, LAGS + 1)} - {0}), device=t.device)

    def sum_over_host(values: Tensor) -> Tensor:
        """Sum over the t for which t + lag is inside the host, [n, C, lags]."""
        total = torch.nn.functional.pad(values.cumsum(dim=2), (1, 0))
        return total[:, :, (window - lags).clamp(max=window)] - total[:, :, (-lags).clamp(min=0)]

    def spectrum(values: Tensor) -> Tensor:
        return torch.fft.rfft(values, n=2 * window)

    # Sums over t of near[t] (other[t] - host[t + lag])^2, for all lags at once.
    products = spectrum(near).conj() * spectrum(host**2) - 2 * spectrum(near * other).conj() * spectrum(host)
    square = sum_over_host(near * other**2) + torch.fft.irfft(products, n=2 * window)[:, :, lags % (2 * window)]
    count = sum_over_host(near)
    differs = (square.clamp(min=0) / count.clamp(min=1)).sqrt() >= _least_effect(scales)[:, :, None]
    touched = (made != hosts).any(dim=2, keepdim=True)
    uncovered = count < 0.9 * near.sum(2, keepdim=True)
    return (uncovered | (differs & touched).any(dim=1, keepdim=True)).all(dim=2)[:, 0]


def _borders_are_smooth(hosts: Tensor, made: Tensor, scales: _Scales) -> Tensor:
    """Return whether no border of the changed stretch jumps more than normal data do; bool [n]."""
    changed = made != hosts
    border = changed[:, :, 1:] ^ changed[:, :, :-1]
    jump = (made[:, :, 1:] - made[:, :, :-1]).abs()
    normal = torch.maximum((hosts[:, :, 1:] - hosts[:, :, :-1]).abs(), scales.step)
    return ~(border & (jump > normal)).any(dim=2).any(dim=1)


def _followed(hosts: Tensor, made: Tensor, channels: Tensor, context: Context, scales: _Scales) -> Tensor:
    """Let other channels follow a change of some, as they do in normal data, inside their limits.

    Parameters
    ----------
    hosts, made : Tensor [n, C, L]
    channels : Tensor, bool [n, C, 1]
        Where the anomaly itself is.
    context : Context
    scales : _Scales
    """
    at = {channel.name: c for c, channel in enumerate(context.channels)}
    slopes: dict[int, Tensor] = {}  # by lag: from each channel (row) to each other one
    for source, channel in enumerate(context.channels):
        for response in channel.responses if bool(channels[:, source].any()) else ():
            slope = slopes.setdefault(response.lag, hosts.new_zeros(len(at), len(at)))
            slope[source, at[response.channel]] = response.slope
    if not slopes:
        return made
    change, window = made - hosts, hosts.shape[2]
    follow = torch.zeros_like(hosts)
    for lag, slope in slopes.items():
        if lag < window:
            late = torch.nn.functional.pad(change[:, :, : window - lag], (lag, 0))
            follow += _passed_on(late, slope)
    linked = (sum(slopes.values(), hosts.new_zeros(())) != 0).to(hosts.dtype)
    sources = torch.einsum("nik,ij->njk", channels.to(hosts.dtype), linked)
    follow = follow / sources.clamp(min=1)  # a channel that follows several of them follows their mean
    answered = torch.minimum(torch.maximum(hosts + follow, scales.limit_low), scales.limit_high)
    return torch.where((follow != 0) & ~channels, answered, made)


def _passed_on(change: Tensor, slope: Tensor) -> Tensor:
    """Return the sums of changes [n, C, L] times the slope from each channel to each other one [C, C], [n, C, L]."""
    if len(slope) <= WIDE:
        return torch.einsum("nil,ij->njl", change, slope)
    flat = change.transpose(0, 1).flatten(1)  # of a wide series, few channels follow each
    return torch.sparse.mm(slope.T.to_sparse(), flat).unflatten(1, (len(change), -1)).transpose(0, 1)


def _bump(hosts: Tensor, site: Site, channels: Tensor, scales: _Scales) -> Tensor:
    """Return a smooth bump towards mid-range: the fallback for hosts on which the program has no effect."""
    middle = 0.5 * (scales.limit_low + scales.limit_high)
    local = (hosts * site.inside).sum(2, keepdim=True) / site.length
    size = torch.maximum(site.amount.abs(), scales.scale).minimum(0.5 * (scales.limit_high - scales.limit_low))
    shape = torch.sin(torch.pi * (site.u * (site.length - 1) + 0.5) / site.length)
    made = hosts + torch.where(local < middle, size, -size) * shape
    made = torch.minimum(torch.maximum(made, scales.limit_low), scales.limit_high)
    return torch.where(site.inside & channels, made, hosts)
