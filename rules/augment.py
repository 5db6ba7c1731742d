"""Augmentation A(X; psi): mild, context-preserving variants of normal windows, and variants that a bank calls benign.

The strengths follow published contrastive detectors. A stronger scaling would itself be an anomaly.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ape.rules.placement import draw_uniform
from ape.rules.sampling import draw_anomalies, usable_rules
from ape.rules.schema import Context, Rule

JITTER = 0.1  # robust standard deviations of the local residual
MAX_SHIFT = 2  # samples
SCALING = 0.03  # about the window's mean
BENIGN_SHARE = 0.5  # of the windows that get a benign variant, if there are benign rules


def augment(
    windows: Tensor,
    generator: torch.Generator,
    context: Context,
    benign: Sequence[Rule] = (),
    starts: Tensor | None = None,
) -> Tensor:
    """Shift each window by up to two samples, scale it by up to 3 %, and add a little noise.

    With benign rules, half of the windows also get a variant of one of them, drawn by the rules' weights. Windows in
    which the rule has no allowed place, or no effect, keep the mild change alone.

    Parameters
    ----------
    windows : Tensor, float [B, C, L]
        In data units.
    generator : torch.Generator
        On the CPU.
    context : Context
        Provides the residual scale of each channel.
    benign : sequence of Rule
        Benign rules of a bank.
    starts : Tensor, int64 [B], optional
        Positions of the windows in the series. Without them, rules with a prior on phase, hours or days are left out.

    Returns
    -------
    Tensor [B, C, L]
    """
    mild = _mild(windows, generator, context)
    if not usable_rules(benign, windows, starts):
        return mild
    rows = torch.nonzero(torch.rand(len(windows), generator=generator) < BENIGN_SHARE)[:, 0]
    at = None if starts is None else starts[rows.to(starts.device)]
    drawn, passed = draw_anomalies(
        benign, context, mild[rows.to(windows.device)], generator, at, where="the bank's benign rules"
    )
    mild[rows[passed].to(windows.device)] = drawn.pseudo[passed.to(windows.device)]
    return mild


def _mild(windows: Tensor, generator: torch.Generator, context: Context) -> Tensor:
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
