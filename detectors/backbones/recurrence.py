"""Recurrences over time with hand-written gradients. On CPU they are faster than torch's own for small layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def gru(layer: nn.GRU, x: Tensor) -> Tensor:
    """Return the states [B, L, H] of a batch-first GRU with one layer for inputs [B, L, C]."""
    if x.device.type != "cpu" or torch.compiler.is_exporting():
        return layer(x)[0]
    input_weight, state_weight, input_bias, state_bias = layer.all_weights[0]
    from_input, size = torch.cat([input_weight, input_bias[:, None]], dim=1), layer.hidden_size
    from_one = functional.pad(state_bias[:, None], (x.shape[2], 0))
    gates = (from_input + from_one)[: 2 * size]
    from_outside = torch.cat([gates, from_one[2 * size :], from_input[2 * size :]])
    states: Tensor = _GRURecurrence.apply(
        x.permute(1, 2, 0), torch.cat([functional.pad(state_weight, (0, 0, 0, size)), from_outside], dim=1)
    )
    return states.permute(2, 0, 1).contiguous()


class _GRURecurrence(torch.autograd.Function):
    """Compute the states [L, H, B] of a GRU for inputs [L, C, B].

    ``weight`` [4H, H + C + 1] is applied to the stacked previous state, input and a one. Its rows are the reset gate,
    the keep gate, the part of the new state that the reset gate scales, and the rest of the new state. So each step is
    one matrix product. The batch is the last dimension, so that each gate is contiguous; steps work in place.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        size, (length, channels, batch) = len(weight) // 4, x.shape
        inputs = x.new_zeros(length + 1, size + channels + 1, batch)  # rows: previous state, input, one
        inputs[:-1, size:-1], inputs[:, -1] = x, 1.0
        stored = length if any(ctx.needs_input_grad) else 1
        gates = x.new_empty(stored, 4 * size, batch)
        views = list(_times(gates, gates[:, : 2 * size], *gates.chunk(4, dim=1))) * (length // stored)
        last = inputs[0, :size]
        for (whole, both, reset, keep, scaled, new), step, state in zip(
            views, inputs[:-1].unbind(), inputs[1:, :size].unbind(), strict=True
        ):
            torch.mm(weight, step, out=whole)
            both.sigmoid_()
            new.addcmul_(reset, scaled).tanh_()
            last = torch.lerp(new, last, keep, out=state)
        ctx.save_for_backward(inputs, gates, weight)
        return inputs[1:, :size]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        inputs, gates, weight = ctx.saved_tensors
        size = len(weight) // 4
        total, back = torch.cat([torch.zeros_like(gradient[:1]), gradient]), torch.empty_like(gates)
        transposed, inner = weight[:, :size].t(), torch.empty_like(total[0])
        views = _times(*gates.chunk(4, dim=1), inputs[:-1, :size], total[1:], total[:-1], back, *back.chunk(4, dim=1))
        for reset, keep, scaled, new, last, here, before, whole, by_reset, by_keep, by_scaled, by_new in reversed(
            list(views)
        ):
            torch.addcmul(here, here, keep, value=-1, out=by_new)
            torch.mul(by_new, new, out=inner)
            by_new.addcmul_(inner, new, value=-1)  # here (1 - keep) (1 - new^2)
            torch.mul(by_new, reset, out=by_scaled)
            torch.mul(by_scaled, scaled, out=by_reset).addcmul_(by_reset, reset, value=-1)
            torch.sub(last, new, out=by_keep).mul_(here).mul_(keep)
            by_keep.addcmul_(by_keep, keep, value=-1)
            before.addcmul_(here, keep).addmm_(transposed, whole)
        by_x = weight[:, size:-1].t() @ back if ctx.needs_input_grad[0] else None
        return by_x, torch.bmm(back, inputs[:-1].transpose(1, 2)).sum(dim=0)


def chain(parts: Tensor, weight: Tensor, noise: Tensor, floor: float) -> Tensor:
    """Return latents that each depend on the previous one.

    The recursion, from z_{-1} = 0, is
    ``[mean_t; spread_t] = parts_t + weight z_{t-1}`` and ``z_t = mean_t + (softplus(spread_t) + floor) noise_t``.

    Parameters
    ----------
    parts : Tensor [L, 2 latent, B]
        Contribution of the hidden states to means and spreads. The batch is last, so that each half is contiguous.
    weight : Tensor [2 latent, latent]
    noise : Tensor [L, latent, B]
        Gets no gradient.
    floor : float
        Smallest standard deviation.

    Returns
    -------
    Tensor [L, latent, B]
    """
    latents: Tensor = _Chain.apply(parts, weight, noise, floor)
    return latents


class _Chain(torch.autograd.Function):
    """Autograd function of `chain`. Each backward step is three operations on small tensors."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, weight: Tensor, noise: Tensor, floor: float) -> Tensor:
        z, both = functional.pad(torch.empty_like(noise), (0, 0, 0, 0, 1, 0)), torch.empty_like(parts)
        last = z[0]
        for part, whole, mean, spread, step_noise, new in _times(parts, both, *both.chunk(2, dim=1), noise, z[1:]):
            torch.addmm(part, weight, last, out=whole)
            last = torch.addcmul(mean, functional.softplus(spread).add_(floor), step_noise, out=new)
        ctx.save_for_backward(z, both, weight, noise)
        return z[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        z, both, weight, noise = ctx.saved_tensors
        slope = both.chunk(2, dim=1)[1].sigmoid().mul_(noise)
        total, back = torch.cat([torch.zeros_like(gradient[:1]), gradient]), torch.empty_like(both)
        transposed, views = weight.t(), _times(total[1:], total[:-1], slope, back, *back.chunk(2, dim=1))
        for here, before, step_slope, whole, by_mean, by_spread in reversed(list(views)):
            by_mean.copy_(here)
            torch.mul(here, step_slope, out=by_spread)
            before.addmm_(transposed, whole)
        return back, torch.bmm(back, z[:-1].transpose(1, 2)).sum(dim=0), None, None


def _times(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Iterate over the first dimension, time, of all parts together."""
    return zip(*(part.unbind() for part in parts), strict=True)
