"""Anyone else's module as a detector: its code, parameter names and layout stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from ape.detectors.detector import WindowedDetector
from ape.series import InputError

Scale = Literal["train"] | tuple[float, float] | None


class Wrapped(nn.Module):
    """A module with the three methods of a backbone: the latent comes from a hook on one of its submodules.

    Parameters
    ----------
    inner : nn.Module
        The wrapped module, untouched.
    encoder : str
        Name of the submodule whose output is the latent, as in ``inner.named_modules()``.
    rebuild : callable
        ``rebuild(inner, x)`` maps [B, C, L] to [B, C, L], in whatever layout ``inner`` wants inside.
    """

    def __init__(self, inner: nn.Module, encoder: str, rebuild: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.encoder, self.rebuild = inner, encoder, rebuild
        if encoder not in dict(inner.named_modules()):
            known = ", ".join(name for name, _ in inner.named_modules() if name)[:300]
            raise InputError(f"the module has no submodule '{encoder}'", "encoder", f"give one of {known}")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction [B, C, L]."""
        rebuilt = self.rebuild(self.inner, x)
        if not isinstance(rebuilt, Tensor) or rebuilt.shape != x.shape:
            got = tuple(rebuilt.shape) if isinstance(rebuilt, Tensor) else type(rebuilt).__name__
            raise InputError(
                f"reconstruct gave {got} for windows {tuple(x.shape)}", "reconstruct", "return a tensor [B, C, L]"
            )
        return rebuilt

    def encode(self, x: Tensor) -> Tensor:
        """Output of the named submodule, flattened to [B, D]."""
        caught: list[object] = []
        hook = self.inner.get_submodule(self.encoder).register_forward_hook(lambda _m, _a, out: caught.append(out))
        try:
            self.rebuild(self.inner, x)
        finally:
            hook.remove()
        latent = caught[-1] if caught else None
        if not isinstance(latent, Tensor) or latent.ndim < 2 or latent.shape[0] != len(x):
            got = tuple(latent.shape) if isinstance(latent, Tensor) else type(latent).__name__
            raise InputError(
                f"submodule '{self.encoder}' gave {got} for {len(x)} windows",
                "encoder",
                "name one that gives a tensor [B, ...]",
            )
        return latent.flatten(1)

    def loss(self, x: Tensor) -> Tensor:
        """Mean squared error of the reconstruction."""
        return (x - self.reconstruct(x)).square().mean()


class WrappedDetector(WindowedDetector):
    """Detector around a third-party module; `unwrap` gives the module back."""

    def unwrap(self) -> nn.Module:
        """The module itself, with the weights that it has now."""
        inner = self.module.inner
        assert isinstance(inner, nn.Module)
        return inner


def wrap(
    module: nn.Module,
    encoder: str,
    reconstruct: Callable[[nn.Module, Tensor], Tensor],
    window: int,
    scale: Scale = "train",
    device: str = "auto",
) -> WrappedDetector:
    """Give any module the detector protocol.

    Parameters
    ----------
    module : nn.Module
    encoder : str
        Name of the submodule whose output is the latent.
    reconstruct : callable
        ``reconstruct(module, x)`` maps [B, C, L] to [B, C, L].
    window : int
        Samples.
    scale : 'train', None or (shift, scale)
        What the module was trained on: data standardised by its training mean and deviation (learned by ``fit``, which
        also trains), raw data, or ``(x - shift) / scale``. With the latter two the module counts as trained.
    device : str

    Raises
    ------
    InputError
        No such submodule.
    """
    wrapped = Wrapped(module, encoder, reconstruct)
    detector = WrappedDetector("wrapped", lambda channels, window: wrapped, {}, window, device=device)
    if scale != "train":
        shift, spread = scale or (0.0, 1.0)
        detector.adopt(wrapped, window, torch.tensor([shift]), torch.tensor([spread]))
    return detector
