"""Find the parameters of a backbone that post-training may change, without knowing its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ape.core.errors import InputError
from ape.detectors import Detector
from ape.detectors.training import preserve_modes
from ape.posttrain.recipe import Freeze


def require_gradients(detector: Detector, windows: torch.Tensor) -> None:
    """Check on a copy and a few windows [B, C, L] that a detector can be post-trained.

    Raises
    ------
    InputError
        No parameter requires a gradient, or the reconstruction or the latent is not finite or has no gradient.
    """
    detector = detector.clone()
    free = [parameter for parameter in detector.module.parameters() if parameter.requires_grad]
    if not free:
        raise InputError(
            "no parameter of the module requires a gradient",
            "detector",
            "call module.requires_grad_(), or leave the backbone as it is with freeze='projection-only'",
        )
    windows = windows.clone().requires_grad_()  # the latent of a frozen encoder still has a gradient to its input
    with training(detector.module, free):
        rebuilt, latent = detector.reconstruct(windows), detector.encode(windows)
        reached = rebuilt.requires_grad and torch.autograd.grad(rebuilt.sum(), free, allow_unused=True)
    for name, part in {"reconstruction": rebuilt, "latent": latent}.items():
        if not part.isfinite().all():
            raise InputError(f"the {name} is not finite", "detector", "check the weights and the scale")
    if not reached or all(gradient is None for gradient in reached):
        raise InputError(
            "the reconstruction has no gradient in the module's parameters",
            "reconstruct",
            "call the given module in it, without no_grad, detach or numpy",
        )
    if not latent.requires_grad:
        raise InputError(
            "the latent has no gradient", "encoder", "name a submodule that runs without no_grad and detach"
        )


def encoder_parameters(detector: Detector, windows: torch.Tensor) -> set[str]:
    """Return the names of trainable parameters that the latent of ``windows`` depends on, by a gradient probe."""
    named = {name: parameter for name, parameter in detector.module.named_parameters() if parameter.requires_grad}
    latent = detector.encode(windows).square().sum()
    if not latent.requires_grad:
        return set()
    reached = torch.autograd.grad(latent, list(named.values()), allow_unused=True)
    return {name for name, gradient in zip(named, reached, strict=True) if gradient is not None}


def trainable(detector: Detector, policy: Freeze, windows: torch.Tensor) -> list[nn.Parameter]:
    """Return the parameters of the backbone that ``policy`` lets change.

    ``decoder`` freezes all parameters that the latent does not depend on, ``all-but-last`` all but the encoder's last
    layer.
    """
    if policy == "projection-only":
        return []
    named = {name: parameter for name, parameter in detector.module.named_parameters() if parameter.requires_grad}
    if policy == "none":
        return list(named.values())
    encoder = [name for name in named if name in encoder_parameters(detector, windows)]
    if policy == "decoder":
        return [named[name] for name in encoder]
    last = encoder[-1].rpartition(".")[0] if encoder else ""
    return [named[name] for name in encoder if name.rpartition(".")[0] == last]


@contextmanager
def training(module: nn.Module, free: list[nn.Parameter]) -> Iterator[None]:
    """Put a module into training mode with gradients for ``free`` parameters only, and restore it afterwards.

    Running statistics and dropout are frozen, because there are few data and the three branches must be treated
    equally.
    """
    chosen = {id(parameter) for parameter in free}
    frozen = [p for p in module.parameters() if p.requires_grad and id(p) not in chosen]
    with preserve_modes(module):
        for parameter in frozen:
            parameter.requires_grad_(False)
        module.train()
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._NormBase | nn.modules.dropout._DropoutNd):
                part.eval()
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)
            for parameter in free:
                parameter.grad = None
