"""Backbones by name: create a detector, or load one from its folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ape.core.errors import InputError
from ape.detectors.backbones.crossad import CrossAD
from ape.detectors.backbones.donut import Donut
from ape.detectors.backbones.fcvae import FCVAE
from ape.detectors.backbones.lstm_ae import LSTMAE
from ape.detectors.backbones.omni_anomaly import OmniAnomaly
from ape.detectors.backbones.timesnet import TimesNet
from ape.detectors.backbones.tranad import TranAD
from ape.detectors.backbones.transformer import TransformerAE
from ape.detectors.backbones.vae import VAE
from ape.detectors.contract import Backbone
from ape.detectors.detector import SHORTEST, WindowedDetector
from ape.detectors.detector_folder import CONFIGURATION, Configuration, read_configuration, read_weights
from ape.detectors.schedule import Budget
from ape.detectors.wrap import WrappedDetector

ERROR = "the reconstruction error"
JOINTLY = "jointly: one latent for all channels"
SEPARATELY = "separately, with shared weights"
RELATIONS = "relations between channels (channel_lag, channel_swap)"


@dataclass(frozen=True)
class BackboneSpec:
    """How a backbone is built and trained, and what it assumes.

    The texts are printed by ``ape detectors list``.

    Parameters
    ----------
    build : callable
        The module's class; takes channels, window and options.
    budget : Budget
        How long and how fast to train.
    own_score : str
        What its paper scores by.
    channels : str
        How it treats several channels.
    cost : str
        How its run time grows with the window.
    normalisation : str
        What it does in addition to the standardisation by the training part.
    blind_to : str
        Which anomalies it cannot see.
    stackable : bool
        Whether many modules can be trained as one stack. `torch.func.vmap` supports neither recurrent layers nor
        computations whose steps depend on the data.
    """

    build: Callable[..., Backbone]
    budget: Budget
    own_score: str = ERROR
    channels: str = JOINTLY
    cost: str = "linear"
    normalisation: str = ""
    blind_to: str = "nothing"
    stackable: bool = True

    @property
    def paper(self) -> str:
        """Name and source: the first line of the module's documentation."""
        return (inspect.getmodule(self.build).__doc__ or "").partition("\n")[0]


BACKBONES = {
    "vae": BackboneSpec(VAE, Budget()),
    "lstm-ae": BackboneSpec(
        LSTMAE,
        Budget(steps=400, batch=64, rate=5e-3, check_every=25),
        own_score="Mahalanobis distance of all channels' errors from those of held-out normal data",
        cost="linear, computed sample by sample",
        stackable=False,
    ),
    "donut": BackboneSpec(Donut, Budget(steps=600, batch=64), own_score="negative log likelihood, mean over 64 draws"),
    "fcvae": BackboneSpec(
        FCVAE,
        Budget(steps=600, batch=64, rate=2e-3),
        own_score="negative log likelihood, mean over 32 draws",
        channels=SEPARATELY,
        blind_to=RELATIONS,
    ),
    "omni-anomaly": BackboneSpec(
        OmniAnomaly,
        Budget(steps=300, batch=32, rate=5e-3, check_every=25),
        own_score="negative log likelihood, mean over 4 draws",
        cost="linear, computed sample by sample",
        stackable=False,
    ),
    "transformer": BackboneSpec(
        TransformerAE,
        Budget(steps=150, batch=32, rate=2e-3, check_every=15),
        own_score=f"{ERROR}; with association=True it is weighted by the association discrepancy",
        cost="quadratic",
    ),
    "tranad": BackboneSpec(
        TranAD,
        Budget(steps=300, batch=32, rate=3e-3, check_every=25),
        own_score="mean of the errors of both phases",
        cost="quadratic",
    ),
    "timesnet": BackboneSpec(
        TimesNet,
        Budget(steps=150, batch=32, rate=3e-3, check_every=15),
        normalisation="; then each window by its own mean and deviation, unless normalise=False",
        blind_to=(
            "a level or amplitude that is constant within a window (level_shift, amplitude_scale, slow trend_drift):"
            " the reconstruction error does not show it, the latent does"
        ),
        stackable=False,
    ),
    "crossad": BackboneSpec(
        CrossAD,
        Budget(steps=400, batch=32, rate=3e-3, check_every=25),
        own_score="sum of the errors of all scales, each divided by its mean in training",
        channels=SEPARATELY,
        blind_to=RELATIONS,
        cost="quadratic in the number of patches of 4 samples",
    ),
}
MIN_WINDOW = 4


def names() -> list[str]:
    """Return the names of the backbones, sorted."""
    return sorted(BACKBONES)


def create(name: str, window: int | None = None, device: str = "auto", **options: Any) -> WindowedDetector:
    """Create a detector with an untrained backbone.

    Parameters
    ----------
    name : str
        One of `names`.
    window : int, optional
        Samples; default is one dominant period of the training part.
    device : str
        ``auto`` uses the GPU if there is one.
    **options
        Arguments of the backbone's constructor.

    Returns
    -------
    WindowedDetector

    Raises
    ------
    InputError
        The name or an option is unknown, or a value is invalid.
    """
    if name not in BACKBONES:
        raise InputError(f"no backbone '{name}'", "backbone", f"give one of {', '.join(names())}")
    spec = BACKBONES[name]
    known = [option for option in inspect.signature(spec.build).parameters if option not in ("channels", "window")]
    if unknown := set(options) - set(known):
        raise InputError(f"backbone '{name}' has no option '{min(unknown)}'", "options", f"it has {', '.join(known)}")
    if window is not None and window < MIN_WINDOW:
        raise InputError(f"a window of {window} samples is too short", "window", f"give at least {MIN_WINDOW}")
    if options:
        _build(name, 1, window or SHORTEST, options)  # refuses invalid values before any training
    return WindowedDetector(name, spec.build, options, window, spec.budget, device)


def load(folder: Path | str, device: str = "auto", into: WrappedDetector | None = None) -> WindowedDetector:
    """Load a detector that `WindowedDetector.save` wrote.

    Parameters
    ----------
    folder : path
    device : str
        ``auto`` uses the GPU if there is one. A wrapped module stays on its device.
    into : WrappedDetector, optional
        Required for the folder of a wrapped detector: the result of `ape.detectors.wrap` for a module of the same
        architecture. It receives the saved weights and scale and is returned.

    Returns
    -------
    WindowedDetector

    Raises
    ------
    InputError
        A file is missing or damaged, weights and configuration do not fit each other, or ``into`` does not fit them.
    """
    folder = Path(folder)
    configuration = read_configuration(folder)
    name, window = configuration.backbone, configuration.window
    shift, scale = (torch.tensor(values, dtype=torch.float32) for values in (configuration.shift, configuration.scale))
    if into is not None:
        _require_same_wrapping(into, folder, configuration)
        read_weights(folder, into.module, "wrap a module of the saved architecture")
        into.set_trained(into.module, window, shift, scale, configuration.required)
        return into
    if name == "wrapped":
        raise InputError(
            "the folder has the weights of a foreign module, but not its code",
            str(folder),
            "wrap a module of the same architecture and pass it as into=",
        )
    try:
        detector = create(name, window=window, device=device, **configuration.options)
        module = _build(name, len(shift), window, configuration.options)
    except InputError as error:
        raise InputError(error.what, f"{folder / CONFIGURATION}, {error.where}", error.hint) from error
    read_weights(folder, module)
    detector.set_trained(module, window, shift, scale, configuration.required)
    return detector


def _require_same_wrapping(into: WrappedDetector, folder: Path, saved: Configuration) -> None:
    """Raise `InputError` unless the saved detector is wrapped in the same way as ``into``."""
    if not isinstance(into, WrappedDetector):
        raise InputError(f"cannot load into a {type(into).__name__}", "into", "pass a result of ape.detectors.wrap")
    if saved.backbone != into.name:
        raise InputError(f"the folder has a '{saved.backbone}'", str(folder), "load it without into=")
    given = {"window": into.window, **into.options}
    for name, value in {"window": saved.window, **saved.options}.items():
        if given.get(name) != value:
            raise InputError(f"it was wrapped with {name}={value!r}", str(folder), "wrap into= with the same value")


def _build(name: str, channels: int, window: int, options: dict[str, Any]) -> Backbone:
    try:
        return BACKBONES[name].build(channels=channels, window=window, **options)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        what = f"backbone '{name}' cannot be built with {options}: {error}"
        raise InputError(what[:300], "options", "give other values") from error
