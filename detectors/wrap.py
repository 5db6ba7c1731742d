"""Anyone else's module as a detector: its code, parameter names and layout stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ape.detectors.detector import WindowedDetector
from ape.series import InputError, Series

Scale = Literal["train"] | tuple[float | Sequence[float], float | Sequence[float]] | None


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
    """Detector around a third-party module; `fit` goes on from the weights that it has, `unwrap` gives it back."""

    def unwrap(self) -> nn.Module:
        """The module itself, with the weights that it has now."""
        inner = self.module.inner
        assert isinstance(inner, nn.Module)
        return inner

    def require_channels(self, series: Series) -> None:
        """Refuse another number of channels than the scale is for; one scale for all channels fits any."""
        if len(self.scale_shift[0]) > 1:
            super().require_channels(series)

    def _fresh(self, channels: int, window: int) -> nn.Module:
        return self.module


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
        Used as it is, not copied: it moves to ``device``, and `WindowedDetector.fit` trains it.
    encoder : str
        Name of the submodule whose output is the latent.
    reconstruct : callable
        ``reconstruct(module, x)`` maps [B, C, L] to [B, C, L].
    window : int
        Samples.
    scale : 'train', None or (shift, scale)
        What the module was trained on: data standardised by its training mean and deviation (learned by ``fit``, which
        also trains), raw data, or ``(x - shift) / scale``, numbers or one a channel. With the latter two the module
        counts as trained.
    device : str

    Raises
    ------
    InputError
        No such submodule, an impossible window or scale.
    """
    if window < 1:
        raise InputError(f"a window of {window} samples", "window", "give at least 1")
    detector = WrappedDetector("wrapped", type(module), {}, window, device=device)
    wrapped = Wrapped(module, encoder, reconstruct)
    if scale == "train":
        detector._module = wrapped
    else:
        detector.adopt(wrapped, window, *_shift_and_scale(scale))
    return detector


def _shift_and_scale(given: Any) -> tuple[Tensor, Tensor]:
    try:
        shift, scale = given or (0.0, 1.0)
        pair = torch.atleast_1d(torch.as_tensor(shift)).double(), torch.atleast_1d(torch.as_tensor(scale)).double()
    except (TypeError, ValueError) as error:
        raise InputError(f"scale {given!r}", "scale", "give 'train', None or (shift, scale)") from error
    if pair[0].shape != pair[1].shape or not all(x.isfinite().all() for x in pair) or not (pair[1] > 0).all():
        raise InputError(f"scale {given!r}", "scale", "give finite numbers, scales above zero, as many of both")
    return pair
