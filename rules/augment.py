"""Augmentation A(X; psi): mild, context-preserving variants of normal windows.

The strengths follow published contrastive detectors. A stronger scaling would itself be an anomaly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ape.rules.placement import draw_uniform
from ape.rules.schema import Context

JITTER = 0.1  # robust standard deviations of the local residual
MAX_SHIFT = 2  # samples
SCALING = 0.03  # about the window's mean


def augment(windows: Tensor, generator: torch.Generator, context: Context) -> Tensor:
    """Shift each window by up to two samples, scale it by up to 3 %, and add a little noise.

    Parameters
    ----------
    windows : Tensor, float [B, C, L]
        In data units.
    generator : torch.Generator
        On the CPU.
    context : Context
        Provides the residual scale of each channel.

    Returns
    -------
    Tensor [B, C, L]
    """
    batch, channels, window = windows.shape
    device = windows.device
    shift = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (batch, 1, 1), generator=generator).to(device)
    index = (torch.arange(window, device=device).view(1, 1, -1) + shift).clamp(0, window - 1)
    shifted = windows.gather(2, index.expand_as(windows))
    factor = draw_uniform(1 - SCALING, 1 + SCALING, generator, (batch, 1, 1)).to(device)
    mean = shifted.mean(2, keepdim=True)
    residual = torch.tensor([channel.residual_scale for channel in context.channels], device=device).view(1, -1, 1)
    noise = torch.randn(batch, channels, window, generator=generator).to(device)
    return mean + factor * (shifted - mean) + JITTER * residual * noise
