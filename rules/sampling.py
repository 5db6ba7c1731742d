"""Drawing pseudo-anomalies G(X; tau, phi): place, apply the program, splice the borders, pass the gates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ape.rules.operators import OPERATORS
from ape.rules.placement import (
    allowed_starts,
    bound_to_time,
    draw,
    draw_channels,
    draw_length,
    draw_log,
    draw_start,
)
from ape.rules.registry import Site
from ape.rules.schema import Context, EmptyBankError, Rule, RuleBank

TRIES = 6
FADE_SHARE = 0.15  # of the segment, at each border that must not be the tell
MIN_EFFECT_RESIDUAL, MIN_EFFECT_SERIES = 0.3, 0.1  # root mean square change, in robust sd
LAGS, NEXT_TO_IT = 12, 0.25  # to either side, and share of the segment that is compared beside it
RANGE_SLACK = 0.1  # of the normal range, for operators that must stay inside it
SHORTEST_SMOOTH, SHORTEST_WARP = 5, 8  # samples


class Sample(NamedTuple):
    """A batch of pseudo-anomalies: ``pseudo`` [B, C, L], ``mask`` bool [B, C, L], ``rule_id`` int64 [B]."""

    pseudo: Tensor
    mask: Tensor
    rule_id: Tensor


class _Scales(NamedTuple):
    """Channel figures as [1, C, 1] tensors on the windows' device."""

    scale: Tensor
    residual: Tensor
    low: Tensor
    high: Tensor
    limit_low: Tensor
    limit_high: Tensor
    step: Tensor


def sample(bank: RuleBank, windows: Tensor, generator: torch.Generator, starts: Tensor | None = None) -> Sample:
    """Give every host window one real, non-empty pseudo-anomaly.

    Parameters
    ----------
    bank : RuleBank
    windows : Tensor, float [B, C, L]
        Hosts in data units; they are not changed.
    generator : torch.Generator
        On the CPU; the same state gives the same anomalies.
    starts : Tensor, int64 [B], optional
        Positions of the windows in the series. Without them rules that are bound to a phase are left out.

    Returns
    -------
    Sample
        Outside the mask the pseudo-anomaly equals its host bit for bit; inside, every cell differs.

    Raises
    ------
    EmptyBankError
        If no rule can be used.
    """
    return sample_and_tell(bank, windows, generator, starts)[0]


def sample_and_tell(
    bank: RuleBank, windows: Tensor, generator: torch.Generator, starts: Tensor | None = None
) -> tuple[Sample, Tensor]:
    """Like `sample`, and which anomalies passed all gates where their rule allows them, bool [B].

    The others had no such place in their host, or the rule's program showed no effect there: they stand elsewhere, or
    are a plain bump.
    """
    usable = [
        i
        for i, rule in enumerate(bank.rules)
        if (starts is not None or not bound_to_time(rule.context)) and (windows.shape[1] > 1 or not rule.relational)
    ]
    if not usable:
        raise EmptyBankError(
            "the Rule Bank has no usable rule", bank.scenario[:60] or "bank", "mine again, or give the windows' starts"
        )
    if windows.shape[1] != len(bank.context.channels):
        msg = f"windows have {windows.shape[1]} channels, the bank's series has {len(bank.context.channels)}"
        raise ValueError(msg)
    scales = _scales(bank.context, windows)
    weights = torch.tensor([bank.rules[i].weight for i in usable])
    chosen = torch.tensor(usable)[torch.multinomial(weights, len(windows), replacement=True, generator=generator)]
    pseudo, own = windows.clone(), torch.zeros(len(windows), dtype=torch.bool)
    for attempt in range(TRIES):
        for index in usable:
            rows = torch.nonzero((chosen == index) & ~own)[:, 0]
            if len(rows) == 0:
                continue
            last = attempt == TRIES - 1
            made, good = _apply(bank.rules[index], bank.context, windows, rows, starts, scales, generator, force=last)
            keep = torch.ones_like(good) if last else good
            pseudo[rows[keep].to(windows.device)] = made[keep.to(windows.device)]
            own[rows[good]] = True
    mask = pseudo != windows
    return Sample(pseudo, mask, chosen.to(windows.device)), own


def _apply(
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
    """Anomalies of one rule for some hosts, and which of them pass the gates, bool [n] on the CPU.

    With ``force`` the others are made to pass those of effect and seam, at the cost of what the rule says.
    """
    device = windows.device
    hosts = windows[rows.to(device)]
    count, window = len(rows), hosts.shape[2]
    operators = [OPERATORS[step.operator] for step in rule.program]
    shortest = SHORTEST_WARP if any(op.warps for op in operators) else 1 if rule.may_jump else SHORTEST_SMOOTH
    length = draw_length(rule.duration, context, window, shortest, generator, count)
    allowed = allowed_starts(rule.context, context, hosts, None if starts is None else starts[rows.to(starts.device)])
    start, found = draw_start(allowed, length, generator)
    if force:  # a window that holds no allowed place still gets its anomaly
        anywhere, _ = draw_start(torch.ones_like(allowed), length, generator)
        start = torch.where(found, start, anywhere)
    channels = draw_channels(rule.context, context, generator, count, relational=rule.relational).to(device)
    channels = channels[:, :, None]
    site = _site(rule, scales, context, windows, hosts, start, length, generator)

    made = hosts
    for step, op in zip(rule.program, operators, strict=True):
        given = {parameter.name: (parameter.low, parameter.high) for parameter in step.parameters}
        values = {
            name: draw(*given.get(name, bounds.default), generator, (count, 1, 1)).to(device)
            for name, bounds in op.parameters.items()
        }
        made = torch.where(site.inside & channels, op.apply(made, site, values), made)
    if rule.creep is not None:
        share = draw(rule.creep.low, rule.creep.high, generator, (count, 1, 1)).to(device)
        made = hosts + (site.u / share.clamp_min(1e-6)).clamp(0, 1) * (made - hosts)
    if not rule.may_jump:
        made = hosts + _fade(site, window) * (made - hosts)
    made = torch.minimum(torch.maximum(made, scales.limit_low), scales.limit_high)
    made = torch.where(site.inside & channels, made, hosts)

    good = _has_effect(hosts, made, scales) & _is_new(hosts, made, site, scales)
    if not any(op.leaves_range for op in operators):
        slack = RANGE_SLACK * (scales.high - scales.low)
        outside = (made > scales.high + slack) | (made < scales.low - slack)
        good &= ~(outside & (made != hosts)).any(dim=2).any(dim=1)
    if not rule.may_jump:
        good &= _seam_is_quiet(hosts, made, scales)
    if force:
        made = torch.where(good[:, None, None], made, _bump(hosts, site, channels, scales))
    return made, good.cpu() & found


def _site(
    rule: Rule,
    scales: _Scales,
    context: Context,
    windows: Tensor,
    hosts: Tensor,
    start: Tensor,
    length: Tensor,
    generator: torch.Generator,
) -> Site:
    count, channels, window = hosts.shape
    device = hosts.device
    first = start.to(device).view(-1, 1, 1).to(hosts.dtype)
    long = length.to(device).view(-1, 1, 1).to(hosts.dtype)
    t = torch.arange(window, device=device, dtype=hosts.dtype).view(1, 1, -1)
    size = draw_log(rule.scale.low, rule.scale.high, generator, (count, 1, 1)).to(device)
    unit = {"residual_sd": scales.residual, "series_sd": scales.scale, "data": torch.ones_like(scales.scale)}
    sign = torch.where(torch.rand(count, 1, 1, generator=generator) < 0.5, -1.0, 1.0).to(device)
    other = torch.randint(len(windows), (count,), generator=generator).to(device)
    turn = torch.randint(window, (count, 1, 1), generator=generator).to(device)
    donor_time = torch.remainder(t.long() + turn, window).expand(count, channels, window)
    return Site(
        u=(t - first) / (long - 1).clamp(min=1),
        inside=(t >= first) & (t < first + long),
        start=first,
        length=long,
        amount=sign * size * unit[rule.scale.unit],
        noise=torch.randn(count, channels, window, generator=generator).to(device),
        donor=windows[other].gather(2, donor_time),
        low=scales.low,
        high=scales.high,
        scale=scales.scale,
        cycle=float(context.cycle),
    )


def _fade(site: Site, window: int) -> Tensor:
    """Raised-cosine weight over the segment, so that it meets its host; at the window's own ends there is no border."""
    width = (FADE_SHARE * site.length).clamp(min=2) / (site.length - 1).clamp(min=1)
    left = torch.where(site.start <= 0, torch.ones_like(site.u), site.u / width)
    right = torch.where(site.start + site.length >= window, torch.ones_like(site.u), (1 - site.u) / width)
    return 0.5 - 0.5 * torch.cos(torch.pi * torch.minimum(left, right).clamp(0, 1))


def _has_effect(hosts: Tensor, made: Tensor, scales: _Scales) -> Tensor:
    """Whether some channel changes by a root mean square, over its changed cells, that is worth the name; bool [n]."""
    changed = made != hosts
    square = ((made - hosts) ** 2).sum(2) / changed.sum(2).clamp(min=1)
    return (square.sqrt() >= _least_effect(scales)).any(dim=1)


def _least_effect(scales: _Scales) -> Tensor:
    """Root mean square change that is worth the name, [1, C]."""
    return torch.maximum(MIN_EFFECT_RESIDUAL * scales.residual, MIN_EFFECT_SERIES * scales.scale)[:, :, 0]


def _is_new(hosts: Tensor, made: Tensor, site: Site, scales: _Scales) -> Tensor:
    """Whether the changed stretch, with what is next to it, occurs nowhere near in its host; bool [n].

    A paste that falls on its own phase, or a shift by a whole cycle, changes nothing that anyone could see. The host is
    laid beside it at `LAGS` lags to either side, up to one and a half cycles.
    """
    window = hosts.shape[2]
    margin = (NEXT_TO_IT * site.length).clamp(min=max(4.0, site.cycle / 8))
    t = torch.arange(window, device=hosts.device)
    near = ((t >= site.start - margin) & (t < site.start + site.length + margin)).double()
    centre = hosts.double().mean(2, keepdim=True)
    host, other = hosts - centre, made - centre
    reach = min(1.5 * site.cycle, window / 2)
    lags = torch.tensor(sorted({round(reach * step / LAGS) for step in range(-LAGS, LAGS + 1)} - {0}), device=t.device)

    def over_host(values: Tensor) -> Tensor:
        """Sums over those t whose t + lag is inside the host, [n, C, lags]."""
        total = torch.nn.functional.pad(values.cumsum(dim=2), (1, 0))
        return total[:, :, (window - lags).clamp(max=window)] - total[:, :, (-lags).clamp(min=0)]

    def spectrum(values: Tensor) -> Tensor:
        return torch.fft.rfft(values, n=2 * window)

    # Sums over t of near[t] (other[t] - host[t + lag])^2, for all lags at once.
    products = spectrum(near).conj() * spectrum(host**2) - 2 * spectrum(near * other).conj() * spectrum(host)
    square = over_host(near * other**2) + torch.fft.irfft(products, n=2 * window)[:, :, lags % (2 * window)]
    count = over_host(near)
    away = (square.clamp(min=0) / count.clamp(min=1)).sqrt() >= _least_effect(scales)[:, :, None]
    touched = (made != hosts).any(dim=2, keepdim=True)
    uncovered = count < 0.9 * near.sum(2, keepdim=True)
    return (uncovered | (away & touched).any(dim=1, keepdim=True)).all(dim=2)[:, 0]


def _seam_is_quiet(hosts: Tensor, made: Tensor, scales: _Scales) -> Tensor:
    """Whether no border of the changed stretch jumps more than normal data do; bool [n]."""
    changed = made != hosts
    border = changed[:, :, 1:] ^ changed[:, :, :-1]
    jump = (made[:, :, 1:] - made[:, :, :-1]).abs()
    normal = torch.maximum((hosts[:, :, 1:] - hosts[:, :, :-1]).abs(), scales.step)
    return ~(border & (jump > normal)).any(dim=2).any(dim=1)


def _bump(hosts: Tensor, site: Site, channels: Tensor, scales: _Scales) -> Tensor:
    """Last resort where the program had no effect on a host (a flat one, say): a smooth bump towards mid-range."""
    middle = 0.5 * (scales.limit_low + scales.limit_high)
    local = (hosts * site.inside).sum(2, keepdim=True) / site.length
    size = torch.maximum(site.amount.abs(), scales.scale).minimum(0.5 * (scales.limit_high - scales.limit_low))
    shape = torch.sin(torch.pi * (site.u * (site.length - 1) + 0.5) / site.length)
    made = hosts + torch.where(local < middle, size, -size) * shape
    made = torch.minimum(torch.maximum(made, scales.limit_low), scales.limit_high)
    return torch.where(site.inside & channels, made, hosts)


def _scales(context: Context, windows: Tensor) -> _Scales:
    fields = ("scale", "residual_scale", "quantile_low", "quantile_high", "limit_low", "limit_high", "step")
    return _Scales(
        *(
            torch.tensor([getattr(channel, field) for channel in context.channels])
            .to(device=windows.device, dtype=windows.dtype)
            .view(1, -1, 1)
            for field in fields
        )
    )
