"""Backbones by name: creating a detector, and loading one from its folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ape.detectors.detector import WindowedDetector
from ape.detectors.lstm_ae import LSTMAE
from ape.detectors.storage import read_configuration, read_weights
from ape.detectors.training import Budget
from ape.detectors.vae import VAE
from ape.series import InputError

BACKBONES: dict[str, tuple[Callable[..., nn.Module], Budget]] = {
    "vae": (VAE, Budget()),
    "lstm-ae": (LSTMAE, Budget(steps=400, batch=64, rate=5e-3, check_every=25)),
}


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
        Unknown name or option.
    """
    if name not in BACKBONES:
        raise InputError(f"no backbone '{name}'", "backbone", f"give one of {', '.join(names())}")
    build, budget = BACKBONES[name]
    known = [option for option in inspect.signature(build).parameters if option not in ("channels", "window")]
    unknown = set(options) - set(known)
    if unknown:
        raise InputError(f"backbone '{name}' has no option '{min(unknown)}'", "options", f"it has {', '.join(known)}")
    if window is not None and window < 4:
        raise InputError(f"a window of {window} samples is too short", "window", "give at least 4")
    return WindowedDetector(name, build, options, window, budget, device)


def load(folder: Path | str) -> WindowedDetector:
    """Load a detector that `WindowedDetector.save` wrote."""
    folder = Path(folder)
    configuration = read_configuration(folder)
    detector = create(configuration["backbone"], window=configuration["window"], **configuration["options"])
    shift, scale = (torch.tensor(configuration[field], dtype=torch.float32) for field in ("shift", "scale"))
    build, _ = BACKBONES[configuration["backbone"]]
    module = build(channels=len(shift), window=configuration["window"], **configuration["options"])
    read_weights(folder, module)
    detector.adopt(module, configuration["window"], shift, scale)
    return detector
