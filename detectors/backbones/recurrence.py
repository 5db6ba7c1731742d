"""Recurrences over time with gradients by hand: on CPU a step of torch's own costs more than what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def gru(layer: nn.GRU, x: Tensor) -> Tensor:
    """States [B, L, H] of a batch-first GRU with one layer; on CPU by a recurrence of our own, which is faster."""
    if x.device.type != "cpu":
        return layer(x)[0]
    weight, again, bias, again_bias = layer.all_weights[0]
    by_input, size = torch.cat([weight, bias[:, None]], dim=1), layer.hidden_size
    by_one = functional.pad(again_bias[:, None], (x.shape[2], 0))
    both = (by_input + by_one)[: 2 * size]
    given = torch.cat([both, by_one[2 * size :], by_input[2 * size :]])
    states: Tensor = _Recurrence.apply(
        x.permute(1, 2, 0), torch.cat([functional.pad(again, (0, 0, 0, size)), given], dim=1)
    )
    return states.permute(2, 0, 1).contiguous()


class _Recurrence(torch.autograd.Function):
    """States [L, H, B] of a GRU over [L, C, B], from weights [4H, H + C + 1] of the state before, the input and one.

    Their rows are the gates reset and keep, then what the reset weighs in the new state, then the rest of it: one
    product a step. Windows come last, so that each gate lies in one piece. Steps work in place, within the cache.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        size, (length, channels, batch) = len(weight) // 4, x.shape
        given = x.new_zeros(length + 1, size + channels + 1, batch)
        given[:-1, size:-1], given[:, -1] = x, 1.0
        kept = length if any(ctx.needs_input_grad) else 1
        gates = x.new_empty(kept, 4 * size, batch)
        views = list(times(gates, gates[:, : 2 * size], *gates.chunk(4, dim=1))) * (length // kept)
        last = given[0, :size]
        for (whole, both, reset, keep, recalled, new), step, state in zip(
            views, given[:-1].unbind(), given[1:, :size].unbind(), strict=True
        ):
            torch.mm(weight, step, out=whole)
            both.sigmoid_()
            new.addcmul_(reset, recalled).tanh_()
            last = torch.lerp(new, last, keep, out=state)
        ctx.save_for_backward(given, gates, weight)
        return given[1:, :size]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        given, gates, weight = ctx.saved_tensors
        size = len(weight) // 4
        total, back = torch.cat([torch.zeros_like(gradient[:1]), gradient]), torch.empty_like(gates)
        turned, inner = weight[:, :size].t(), torch.empty_like(total[0])
        views = times(*gates.chunk(4, dim=1), given[:-1, :size], total[1:], total[:-1], back, *back.chunk(4, dim=1))
        for reset, keep, recalled, new, last, here, before, whole, by_reset, by_keep, by_recalled, by_new in reversed(
            list(views)
        ):
            torch.addcmul(here, here, keep, value=-1, out=by_new)
            torch.mul(by_new, new, out=inner)
            by_new.addcmul_(inner, new, value=-1)  # here (1 - keep) (1 - new^2)
            torch.mul(by_new, reset, out=by_recalled)
            torch.mul(by_recalled, recalled, out=by_reset).addcmul_(by_reset, reset, value=-1)
            torch.sub(last, new, out=by_keep).mul_(here).mul_(keep)
            by_keep.addcmul_(by_keep, keep, value=-1)
            before.addcmul_(here, keep).addmm_(turned, whole)
        by_x = weight[:, size:-1].t() @ back if ctx.needs_input_grad[0] else None
        return by_x, torch.bmm(back, given[:-1].transpose(1, 2)).sum(dim=0)


def chain(parts: Tensor, weight: Tensor, noise: Tensor, floor: float) -> Tensor:
    """Latents z_t = mean_t + (softplus(spread_t) + floor) noise_t, where [mean_t; spread_t] = parts_t + weight z_{t-1}.

    Parameters
    ----------
    parts : Tensor [L, 2 latent, B]
        What the hidden states give to means and spreads. Windows come last, so that each of the two lies in one piece.
    weight : Tensor [2 latent, latent]
    noise : Tensor [L, latent, B]
        Without gradient.
    floor : float

    Returns
    -------
    Tensor [L, latent, B]
    """
    latents: Tensor = _Chain.apply(parts, weight, noise, floor)
    return latents


class _Chain(torch.autograd.Function):
    """A step back is three operations on small tensors."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, weight: Tensor, noise: Tensor, floor: float) -> Tensor:
        z, both = functional.pad(torch.empty_like(noise), (0, 0, 0, 0, 1, 0)), torch.empty_like(parts)
        last = z[0]
        for part, whole, mean, spread, pull, new in times(parts, both, *both.chunk(2, dim=1), noise, z[1:]):
            torch.addmm(part, weight, last, out=whole)
            last = torch.addcmul(mean, functional.softplus(spread).add_(floor), pull, out=new)
        ctx.save_for_backward(z, both, weight, noise)
        return z[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        z, both, weight, noise = ctx.saved_tensors
        slope = both.chunk(2, dim=1)[1].sigmoid().mul_(noise)
        total, back = torch.cat([torch.zeros_like(gradient[:1]), gradient]), torch.empty_like(both)
        turned, views = weight.t(), times(total[1:], total[:-1], slope, back, *back.chunk(2, dim=1))
        for here, before, steep, whole, by_mean, by_spread in reversed(list(views)):
            by_mean.copy_(here)
            torch.mul(here, steep, out=by_spread)
            before.addmm_(turned, whole)
        return back, torch.bmm(back, z[:-1].transpose(1, 2)).sum(dim=0), None, None


def times(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The parts at each time, their first dimension."""
    return zip(*(part.unbind() for part in parts), strict=True)
