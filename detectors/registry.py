"""Backbones by name: creating a detector, and loading one from its folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

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
from ape.detectors.detector import SHORTEST, WindowedDetector
from ape.detectors.schedule import Budget
from ape.detectors.storage import CONFIGURATION, read_configuration, read_weights
from ape.detectors.wrap import WrappedDetector

TOGETHER = "together: one latent for all"
ONE_BY_ONE = "one by one through the same weights"
LINKS = "what links channels (channel_lag, channel_swap)"
ERROR = "the reconstruction error"


@dataclass(frozen=True)
class Backbone:
    """How a backbone is built and trained, and what it takes for granted.

    Parameters
    ----------
    build : callable
        The class of the module, from channels, window and options.
    budget : Budget
        Of its training.
    own_score : str
        What its paper scores by.
    channels : str
        How it reads several.
    cost : str
        How the time it takes grows with the window.
    scale : str
        What it does to the values after they are standardised by the training part.
    hidden : str
        What it cannot see because of that.
    stacked : bool
        Whether many can be trained as one stack: `torch.func.vmap` takes it, which it does for neither torch's own
        recurrences and ours, nor steps that hang on the values.
    """

    build: Callable[..., nn.Module]
    budget: Budget
    own_score: str = ERROR
    channels: str = TOGETHER
    cost: str = "linear"
    scale: str = ""
    hidden: str = "nothing"
    stacked: bool = True

    @property
    def paper(self) -> str:
        """What it is, and where from: the first line of its module."""
        return (inspect.getmodule(self.build).__doc__ or "").partition("\n")[0]


BACKBONES = {
    "vae": Backbone(VAE, Budget()),
    "lstm-ae": Backbone(
        LSTMAE,
        Budget(steps=400, batch=64, rate=5e-3, check_every=25),
        own_score="Mahalanobis distance of the errors of all channels to those of held-out normal data",
        cost="linear, step after step",
        stacked=False,
    ),
    "donut": Backbone(Donut, Budget(steps=600, batch=64), own_score="negative log likelihood, mean over 64 draws"),
    "fcvae": Backbone(
        FCVAE,
        Budget(steps=600, batch=64, rate=2e-3),
        own_score="negative log likelihood, mean over 32 draws",
        channels=ONE_BY_ONE,
        hidden=LINKS,
    ),
    "omni-anomaly": Backbone(
        OmniAnomaly,
        Budget(steps=300, batch=32, rate=5e-3, check_every=25),
        own_score="negative log likelihood, mean over 4 draws",
        cost="linear, step after step",
        stacked=False,
    ),
    "transformer": Backbone(
        TransformerAE,
        Budget(steps=150, batch=32, rate=2e-3, check_every=15),
        own_score=f"{ERROR}; with association=True weighed by the association discrepancy",
        cost="quadratic",
    ),
    "tranad": Backbone(
        TranAD,
        Budget(steps=300, batch=32, rate=3e-3, check_every=25),
        own_score="mean of both phases' errors",
        cost="quadratic",
    ),
    "timesnet": Backbone(
        TimesNet,
        Budget(steps=150, batch=32, rate=3e-3, check_every=15),
        scale="; a window's own mean and deviation are taken out and put back, unless normalise=False",
        hidden=(
            "a level or amplitude that holds for a whole window (level_shift, amplitude_scale, slow trend_drift):"
            " the error is blind to it, the latent keeps it"
        ),
        stacked=False,
    ),
    "crossad": Backbone(
        CrossAD,
        Budget(steps=400, batch=32, rate=3e-3, check_every=25),
        own_score="errors of all scales, each over its mean in training",
        channels=ONE_BY_ONE,
        hidden=LINKS,
        cost="quadratic, in patches of 4",
    ),
}
SHORTEST_WINDOW = 4


def names() -> list[str]:
    """Names of the backbones."""
    return sorted(BACKBONES)


def create(name: str, window: int | None = None, device: str = "auto", **options: Any) -> WindowedDetector:
    """Detector with an untrained backbone.

    Parameters
    ----------
    name : str
        One of `names`.
    window : int, optional
        Samples; default is one dominant period of the training part.
    device : str
        ``auto`` takes the GPU if there is one.
    **options
        For the backbone's constructor.

    Raises
    ------
    InputError
        Unknown name, unknown or impossible option.
    """
    if name not in BACKBONES:
        raise InputError(f"no backbone '{name}'", "backbone", f"give one of {', '.join(names())}")
    backbone = BACKBONES[name]
    known = [option for option in inspect.signature(backbone.build).parameters if option not in ("channels", "window")]
    if unknown := set(options) - set(known):
        raise InputError(f"backbone '{name}' has no option '{min(unknown)}'", "options", f"it has {', '.join(known)}")
    if window is not None and window < SHORTEST_WINDOW:
        raise InputError(f"a window of {window} samples is too short", "window", f"give at least {SHORTEST_WINDOW}")
    if options:
        _built(name, 1, window or SHORTEST, options)  # an impossible value is refused before anything is trained
    return WindowedDetector(name, backbone.build, options, window, backbone.budget, device)


def load(folder: Path | str, device: str = "auto", into: WrappedDetector | None = None) -> WindowedDetector:
    """Load a detector that `WindowedDetector.save` wrote.

    Parameters
    ----------
    folder : path
    device : str
        ``auto`` takes the GPU if there is one; a wrapped detector stays where it is.
    into : WrappedDetector, optional
        For the folder of a wrapped detector: one newly wrapped around a module of the same architecture. It gets the
        weights and the scale, and is what comes back.

    Raises
    ------
    InputError
        A file is missing, damaged, or does not fit the other, or ``into``.
    """
    folder = Path(folder)
    configuration = read_configuration(folder)
    name, window, options = (configuration[field] for field in ("backbone", "window", "options"))
    shift, scale = (torch.tensor(configuration[field], dtype=torch.float32) for field in ("shift", "scale"))
    if into is not None:
        _require_alike(into, folder, configuration)
        read_weights(folder, into.module, "wrap a module of the architecture that was saved")
        into.adopt(into.module, window, shift, scale)
        return into
    if name == "wrapped":
        raise InputError(
            "it holds the weights of a foreign module",
            str(folder),
            "wrap a module of its architecture, and load into= it",
        )
    try:
        detector = create(name, window=window, device=device, **options)
        module = _built(name, len(shift), window, options)
    except InputError as error:
        raise InputError(error.what, f"{folder / CONFIGURATION}, {error.where}", error.hint) from error
    read_weights(folder, module)
    detector.adopt(module, window, shift, scale)
    return detector


def _require_alike(into: WrappedDetector, folder: Path, configuration: dict[str, Any]) -> None:
    """Refuse a folder whose detector is not wrapped, or not as ``into`` is."""
    if not isinstance(into, WrappedDetector):
        raise InputError(f"cannot load into a {type(into).__name__}", "into", "give what ape.detectors.wrap gives")
    if configuration["backbone"] != into.name:
        raise InputError(f"it holds a '{configuration['backbone']}'", str(folder), "load it without into=")
    own = {"window": into.window, **into.options}
    for name, saved in {"window": configuration["window"], **configuration["options"]}.items():
        if own.get(name) != saved:
            raise InputError(f"it was wrapped with {name}={saved!r}", str(folder), "wrap into= like this")


def _built(name: str, channels: int, window: int, options: dict[str, Any]) -> nn.Module:
    try:
        return BACKBONES[name].build(channels=channels, window=window, **options)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        what = f"backbone '{name}' cannot be built with {options}: {error}"
        raise InputError(what[:300], "options", "give other values") from error
