"""Choose the channels of a window that the networks look at, where there are very many.

Most channels of a wide series are as usual at a time. The networks are the larger part of the work, so that they look
at the channels whose inputs stand out most; what they say of the others is what they say of a typical one of these.
"""

from __future__ import annotations

import torch
from torch import Tensor

MOST = 64  # channels that the networks look at in a window
DIFFERENCES, REGRESSION = slice(2, 6), 6  # inputs, see `ape.posttrain.discriminator.inputs.inputs_of`
LARGEST_STEP, ROUGHNESS, REPEATS, SWING, BEYOND = 8, 9, 10, 11, 12


def standing_out(seen: Tensor) -> Tensor | None:
    """Return the channels [B, MOST] of windows that stand out by any of their inputs; None if there are no more.

    Each input ranks the channels, and the best rank of a channel counts, so that inputs need no common scale.

    Parameters
    ----------
    seen : Tensor [B, C, 19 or more, cells]
    """
    if seen.shape[1] <= MOST:
        return None
    size = seen.abs()
    signs = [
        size[:, :, DIFFERENCES].amax((2, 3)),
        size[:, :, DIFFERENCES].mean((2, 3)),
        size[:, :, REGRESSION].amax(2),
        size[:, :, REGRESSION].mean(2),
        seen[:, :, LARGEST_STEP].amax(2),
        size[:, :, ROUGHNESS].amax(2),
        seen[:, :, REPEATS].amax(2),
        size[:, :, SWING].amax(2),
        size[:, :, BEYOND].amax(2),
    ]
    order = torch.stack(signs, 1).argsort(dim=2, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(2, order, torch.arange(seen.shape[1], device=seen.device).expand_as(order))
    return rank.amin(1).argsort(dim=1, stable=True)[:, :MOST]


def of_channels(values: Tensor, chosen: Tensor) -> Tensor:
    """Return the chosen channels [B, k] of values [B, C, ...], [B, k, ...]."""
    return values.gather(1, _along(chosen, values.shape[2:]))


def over_all(odds: Tensor, chosen: Tensor, channels: int) -> Tensor:
    """Return log-odds of all channels [B, C, R, cells] from those of the chosen ones [B, k, R, cells].

    The other channels get the median of the chosen ones.
    """
    typical = odds.sort(dim=1).values[:, odds.shape[1] // 2 :][:, :1]
    return typical.expand(-1, channels, -1, -1).scatter(1, _along(chosen, odds.shape[2:]), odds)


def _along(chosen: Tensor, shape: torch.Size) -> Tensor:
    return chosen[:, :, None, None].expand(-1, -1, *shape)
