"""Anyone else's module as a detector: its code, parameter names and layout stay as they are."""

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
from ape.detectors.detector import WindowedDetector
from ape.detectors.training import modes_kept
from ape.series import Series

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
        self.training = False
        if encoder not in dict(inner.named_modules(remove_duplicate=False)):
            known = ", ".join(name for name, _ in inner.named_modules() if name)[:300]
            raise InputError(f"the module has no submodule '{encoder}'", "encoder", f"give one of {known}")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction [B, C, L]."""
        return self._checked(self._run(x), x)

    def encode(self, x: Tensor) -> Tensor:
        """What the named submodule gave when it last ran, flattened to [B, D]."""
        return self._run_and_catch(x)[1]

    def loss(self, x: Tensor) -> Tensor:
        """Mean squared error of the reconstruction."""
        return (x - self.reconstruct(x)).square().mean()

    def one_pass(self, x: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """`reconstruct` and `encode` of all windows, `loss` of the first ones."""
        rebuilt, latent = self._run_and_catch(x)
        rebuilt = self._checked(rebuilt, x)
        return rebuilt, latent, (x - rebuilt)[:first].square().mean()

    def train(self, mode: bool = True) -> Self:
        """Training mode reaches the inner module; evaluation mode only after it, for `_run` sets that for each pass."""
        return super().train(mode) if mode or self.training else self

    def _checked(self, rebuilt: object, x: Tensor) -> Tensor:
        if not isinstance(rebuilt, Tensor) or rebuilt.shape != x.shape:
            got = tuple(rebuilt.shape) if isinstance(rebuilt, Tensor) else type(rebuilt).__name__
            raise InputError(
                f"reconstruct gave {got} for windows {tuple(x.shape)}", "reconstruct", "return a tensor [B, C, L]"
            )
        return rebuilt.to(x.dtype)

    def _run_and_catch(self, x: Tensor) -> tuple[object, Tensor]:
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
                "name one that runs, and let reconstruct call the module that it is given",
            )
        latent = caught[-1]
        if not isinstance(latent, Tensor) or latent.ndim < 2 or latent.shape[0] != len(x):
            got = tuple(latent.shape) if isinstance(latent, Tensor) else type(latent).__name__
            raise InputError(
                f"submodule '{self.encoder}' gave {got} for {len(x)} windows",
                "encoder",
                "name one that gives a tensor [B, ...]",
            )
        if not latent.is_floating_point():
            raise InputError(
                f"submodule '{self.encoder}' gave numbers of type {latent.dtype}",
                "encoder",
                "name one that gives floating-point numbers",
            )
        return rebuilt, latent.flatten(1).to(x.dtype)

    def _run(self, x: Tensor) -> object:
        x = x.clone()  # some modules write into what they are given
        with modes_kept(self.inner), _uncompiled():
            if not self.training:
                self.inner.eval()
            return self.rebuild(self.inner, x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Wrapped:
        """Copy with its own weights and the same ``rebuild``."""
        # A tensor that a module keeps from its last pass, as weight_norm does, cannot be copied with its graph.
        for part in self.inner.modules():
            kept = [value for value in vars(part).values() if isinstance(value, Tensor) and not value.is_leaf]
            memo |= {id(tensor): tensor.detach().clone() for tensor in kept}
        twin = Wrapped(copy.deepcopy(self.inner, memo), self.encoder, self.rebuild)
        twin.training = self.training
        return twin


class WrappedDetector(WindowedDetector):
    """Detector around a third-party module; `fit` goes on from the weights that it has, `unwrap` gives it back."""

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
        Used as it is, not copied: `WindowedDetector.fit` trains it, `ape.posttrain.enhance` works on a copy.
    encoder : str
        Name of the submodule whose output is the latent; where it runs more than once, the last output.
    reconstruct : callable
        ``reconstruct(module, x)`` maps [B, C, L] to [B, C, L]. It calls the module that it is given, which may be a
        copy, and keeps the gradient.
    window : int
        Samples.
    scale : 'train', None or (shift, scale)
        What the module was trained on: data standardised by its training mean and deviation (learned by ``fit``, which
        also trains), raw data, or ``(x - shift) / scale``, numbers or one a channel. With the latter two the module
        counts as trained. Losses and noise are in these units: where the module standardises each window itself, give
        the mean and deviation of the training part.
    device : str
        ``auto`` leaves the module where it is; else it moves.

    Raises
    ------
    InputError
        No such submodule, parameters on two devices, an impossible window or scale.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"a {type(module).__name__} is no nn.Module", "module", "give the network that it holds")
    if window < 1:
        raise InputError(f"a window of {window} samples", "window", "give at least 1")
    place = _only_device(module)
    options = {"encoder": encoder}  # saved, so that the weights are read only into a module wrapped alike
    detector = WrappedDetector("wrapped", type(module), options, window, device=place if device == "auto" else device)
    wrapped = Wrapped(module, encoder, reconstruct)
    if scale == "train":
        detector._module = wrapped
    else:
        detector.adopt(wrapped, window, *_shift_and_scale(scale))
    return detector


def _uncompiled() -> AbstractContextManager[object]:
    """Run what torch.compile made as it was before: compiled code skips hooks. Without dynamo there is none."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


class _Detector(Protocol):
    @property
    def module(self) -> nn.Module: ...


def unwrap(detector: _Detector) -> nn.Module:
    """The module inside a wrapped detector, or inside one that post-training made of it, with the weights it has now.

    Raises
    ------
    InputError
        The detector is not around a wrapped module.
    """
    module = detector.module
    if not isinstance(module, Wrapped):
        raise InputError("the detector holds no wrapped module", "detector", "its own module is detector.module")
    return module.inner


def _only_device(module: nn.Module) -> str:
    places = sorted({str(tensor.device) for tensor in chain(module.parameters(), module.buffers())})
    if len(places) > 1:
        raise InputError(
            f"the module lies on {' and '.join(places)}", "module", f"move it to one: module.to({places[0]!r})"
        )
    return places[0] if places else "cpu"


def _shift_and_scale(given: Any) -> tuple[Tensor, Tensor]:
    try:
        shift, scale = given or (0.0, 1.0)
        pair = torch.atleast_1d(torch.as_tensor(shift)).double(), torch.atleast_1d(torch.as_tensor(scale)).double()
    except (TypeError, ValueError) as error:
        raise InputError(f"scale {given!r}", "scale", "give 'train', None or (shift, scale)") from error
    if pair[0].shape != pair[1].shape or not all(x.isfinite().all() for x in pair) or not (pair[1] > 0).all():
        raise InputError(f"scale {given!r}", "scale", "give finite numbers, scales above zero, as many of both")
    return pair
