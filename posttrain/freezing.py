"""Which parameters of a backbone post-training may move, found without knowing its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ape.detectors import Detector
from ape.posttrain.recipe import Freeze


def encoder_parameters(detector: Detector, windows: torch.Tensor) -> set[str]:
    """Names of the parameters that the latent of ``windows`` depends on, by a gradient probe."""
    named = dict(detector.module.named_parameters())
    latent = detector.encode(windows).square().sum()
    reached = torch.autograd.grad(latent, list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, reached, strict=True) if gradient is not None}


def trainable(detector: Detector, policy: Freeze, windows: torch.Tensor) -> list[nn.Parameter]:
    """Parameters of the backbone that ``policy`` lets move.

    ``decoder`` freezes all that the latent does not depend on, ``all-but-last`` all but the encoder's last layer.
    """
    named = {name: parameter for name, parameter in detector.module.named_parameters() if parameter.requires_grad}
    if policy == "projection-only":
        return []
    if policy == "none":
        return list(named.values())
    encoder = [name for name in named if name in encoder_parameters(detector, windows)]
    if policy == "decoder":
        return [named[name] for name in encoder]
    last = encoder[-1].rpartition(".")[0] if encoder else ""
    return [named[name] for name in encoder if name.rpartition(".")[0] == last]


@contextmanager
def training(module: nn.Module, free: list[nn.Parameter]) -> Iterator[None]:
    """Training mode in which only ``free`` parameters gather gradients; everything is as before afterwards.

    Running statistics and dropout are held still: the data are few, and the three branches must be treated alike.
    """
    chosen = {id(parameter) for parameter in free}
    frozen = [p for p in module.parameters() if p.requires_grad and id(p) not in chosen]
    for parameter in frozen:
        parameter.requires_grad_(False)
    module.train()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._NormBase | nn.modules.dropout._DropoutNd):
            part.eval()
    try:
        yield
    finally:
        module.eval()
        for parameter in frozen:
            parameter.requires_grad_(True)
