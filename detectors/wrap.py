"""Wrap a third-party module as a detector. Its code, parameter names and layout stay as they are."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from ape.core.errors import InputError
from ape.detectors.contract import Backbone
from ape.detectors.detector import WindowedDetector
from ape.detectors.training import preserve_modes
from ape.series import Series

Scale = Literal["train"] | tuple[float | Sequence[float], float | Sequence[float]] | None


def wrap(
    module: nn.Module,
    encoder: str,
    reconstruct: Callable[[nn.Module, Tensor], Tensor],
    window: int,
    scale: Scale = "train",
    device: str = "auto",
) -> WrappedDetector:
    """Wrap a module as a detector.

    Parameters
    ----------
    module : nn.Module
        Used itself, not copied: `WindowedDetector.fit` trains it, `ape.posttrain.enhance` works on a copy.
    encoder : str
        Name of the submodule whose output is the latent. If it runs more than once, its last output is used.
    reconstruct : callable
        ``reconstruct(module, x)`` maps [B, C, L] to [B, C, L]. It must call the module that it receives, which may be
        a copy, and must be differentiable.
    window : int
        Samples.
    scale : 'train', None or (shift, scale)
        The units that the module is trained in. ``'train'``: standardised by the mean and deviation of the training
        part; call ``fit`` first, which learns them and trains the module. ``None``: raw data. ``(shift, scale)``:
        ``(x - shift) / scale``, numbers or one value per channel. With the last two the module counts as trained.
        Losses and noise are in these units. If the module standardises each window itself, give the mean and deviation
        of the training part.
    device : str
        ``auto`` leaves the module on its device; otherwise it is moved.

    Returns
    -------
    WrappedDetector

    Raises
    ------
    InputError
        ``module`` is not an `nn.Module` or is on two devices, there is no such submodule, or window or scale are
        invalid.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"a {type(module).__name__} is not an nn.Module", "module", "give the network inside it")
    if window < 1:
        raise InputError(f"a window of {window} samples", "window", "give at least 1")
    module_device = _single_device(module)
    wrapped = Wrapped(module, encoder, reconstruct)
    detector = WrappedDetector(wrapped, window, module_device if device == "auto" else device)
    if scale != "train":
        detector.set_trained(wrapped, window, *_shift_and_scale(scale))
    return detector


class _HasModule(Protocol):
    @property
    def module(self) -> nn.Module: ...


def unwrap(detector: _HasModule) -> nn.Module:
    """Return the module inside a wrapped or enhanced detector, with its current weights.

    Raises
    ------
    InputError
        The detector has no wrapped module.
    """
    module = detector.module
    if not isinstance(module, Wrapped):
        raise InputError("the detector has no wrapped module", "detector", "use detector.module")
    return module.inner


class WrappedDetector(WindowedDetector):
    """Detector around a third-party module. `fit` continues from the module's current weights.

    Parameters
    ----------
    module : Wrapped
    window : int
        Samples.
    device : str
    """

    def __init__(self, module: Wrapped, window: int, device: str) -> None:
        options = {"encoder": module.encoder}  # saved, so that the weights only fit a module wrapped the same way
        super().__init__("wrapped", Wrapped, options, window, device=device)
        self._module = module

    def require_channels(self, series: Series) -> None:
        """Raise `InputError` for another number of channels than the scale has; a single scale fits any number."""
        if len(self.shift_and_scale[0]) > 1:
            super().require_channels(series)

    def build_module(self, channels: int, window: int) -> Backbone:
        """Return the wrapped module itself."""
        return self.module


class Wrapped(Backbone):
    """Backbone around a module. A hook on one of its submodules catches the latent.

    Parameters
    ----------
    inner : nn.Module
        The wrapped module.
    encoder : str
        Name of the submodule whose output is the latent, as in ``inner.named_modules()``.
    rebuild : callable
        ``rebuild(inner, x)`` maps [B, C, L] to [B, C, L]; it adapts the layout to that of ``inner``.
    """

    def __init__(self, inner: nn.Module, encoder: str, rebuild: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.encoder, self.rebuild = inner, encoder, rebuild
        self.training = False
        if encoder not in dict(inner.named_modules(remove_duplicate=False)):
            known = ", ".join(name for name, _ in inner.named_modules() if name)[:300]
            raise InputError(f"the module has no submodule '{encoder}'", "encoder", f"give one of {known}")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, C, L]."""
        return self._checked(self._run(x), x)

    def encode(self, x: Tensor) -> Tensor:
        """Return the last output of the named submodule, flattened to [B, D]."""
        return self._run_and_catch(x)[1]

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error of the reconstruction."""
        return (x - self.reconstruct(x)).square().mean()

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`."""
        output, latent = self._run_and_catch(x)
        return self._checked(output, x), latent

    def train(self, mode: bool = True) -> Self:
        """Set the mode of this module; the inner module keeps its own mode until training starts.

        Evaluation mode is passed on only after training, because each pass sets it anyway.
        """
        return super().train(mode) if mode or self.training else self

    def __deepcopy__(self, memo: dict[int, Any]) -> Wrapped:
        """Return a copy with its own weights and the same ``rebuild``."""
        # weight_norm and others keep a tensor with its graph on the module, which deepcopy cannot copy.
        for part in self.inner.modules():
            tensors = [value for value in vars(part).values() if isinstance(value, Tensor) and not value.is_leaf]
            memo |= {id(tensor): tensor.detach().clone() for tensor in tensors}
        twin = Wrapped(copy.deepcopy(self.inner, memo), self.encoder, self.rebuild)
        twin.training = self.training
        return twin

    def _run(self, x: Tensor) -> object:
        x = x.clone()  # some modules write into their input
        with preserve_modes(self.inner), _uncompiled():
            if not self.training:
                self.inner.eval()
            return self.rebuild(self.inner, x)

    def _checked(self, rebuilt: object, x: Tensor) -> Tensor:
        if not isinstance(rebuilt, Tensor) or rebuilt.shape != x.shape:
            raise InputError(
                f"reconstruct gave {_shape_or_type(rebuilt)} for windows {tuple(x.shape)}",
                "reconstruct",
                "return a tensor [B, C, L]",
            )
        return rebuilt.to(x.dtype)

    def _run_and_catch(self, x: Tensor) -> tuple[object, Tensor]:
        """Return the output of ``rebuild`` and the latent [B, D]."""
        caught: list[object] = []
        hook = self.inner.get_submodule(self.encoder).register_forward_hook(lambda _m, _a, out: caught.append(out))
        try:
            rebuilt = self._run(x)
        finally:
            hook.remove()
        if not caught:
            raise InputError(
                f"reconstruct did not run submodule '{self.encoder}'",
                "encoder",
                "name a submodule that runs, and let reconstruct call the module that it receives",
            )
        latent = caught[-1]
        if not isinstance(latent, Tensor) or latent.ndim < 2 or latent.shape[0] != len(x):
            raise InputError(
                f"submodule '{self.encoder}' gave {_shape_or_type(latent)} for {len(x)} windows",
                "encoder",
                "name a submodule that returns a tensor [B, ...]",
            )
        if not latent.is_floating_point():
            raise InputError(
                f"submodule '{self.encoder}' gave numbers of type {latent.dtype}",
                "encoder",
                "name a submodule that returns floating-point numbers",
            )
        return rebuilt, latent.flatten(1).to(x.dtype)


def _shape_or_type(output: object) -> tuple[int, ...] | str:
    return tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__


def _uncompiled() -> AbstractContextManager[object]:
    """Run modules compiled by torch.compile in eager mode, because compiled code skips hooks."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def _single_device(module: nn.Module) -> str:
    devices = sorted({str(tensor.device) for tensor in chain(module.parameters(), module.buffers())})
    if len(devices) > 1:
        raise InputError(
            f"the module is on {' and '.join(devices)}",
            "module",
            f"move it to one device: module.to({devices[0]!r})",
        )
    return devices[0] if devices else "cpu"


def _shift_and_scale(given: Any) -> tuple[Tensor, Tensor]:
    try:
        shift, scale = given or (0.0, 1.0)
        pair = torch.atleast_1d(torch.as_tensor(shift)).double(), torch.atleast_1d(torch.as_tensor(scale)).double()
    except (TypeError, ValueError) as error:
        raise InputError(f"scale {given!r}", "scale", "give 'train', None or (shift, scale)") from error
    if pair[0].shape != pair[1].shape or not all(x.isfinite().all() for x in pair) or not (pair[1] > 0).all():
        raise InputError(f"scale {given!r}", "scale", "give finite values, scales above zero, equally many of both")
    return pair
