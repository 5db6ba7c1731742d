"""Detectors on disk: ``weights.safetensors`` and ``detector.json`` in one folder, never pickle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ape.core.errors import InputError
from ape.core.files import atomic_folder, read_json, write_bytes, write_json

if TYPE_CHECKING:
    from ape.detectors.detector import WindowedDetector

FORMAT = 1
WEIGHTS, CONFIGURATION = "weights.safetensors", "detector.json"
HINT = "the file was changed or damaged; train the detector anew"


def save_folder(detector: WindowedDetector, folder: Path) -> None:
    """Write a detector into ``folder``, which appears whole or not at all."""
    # Cloned, since safetensors takes no two tensors that share memory, as tied weights do.
    state = detector.module.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    shift, scale = detector.scale_shift
    configuration = {
        "kind": "detector",
        "format": FORMAT,
        "backbone": detector.name,
        "options": detector.options,
        "window": detector.window,
        "shift": shift.tolist(),
        "scale": scale.tolist(),
    }
    with atomic_folder(folder, CONFIGURATION) as temporary:
        write_bytes(temporary / WEIGHTS, save(tensors))
        write_json(temporary / CONFIGURATION, configuration)


def read_configuration(folder: Path) -> dict[str, Any]:
    """Configuration of a saved detector, its fields checked but for those that only the backbone can judge."""
    path = folder / CONFIGURATION
    configuration = read_json(path, "detector")
    if not isinstance(configuration, dict) or configuration.get("format") != FORMAT:
        raise InputError(
            "not a detector of this format", str(path), f"train it anew; this version reads format {FORMAT}"
        )
    shift, scale = configuration.get("shift", []), configuration.get("scale", [])
    right = {
        "backbone": isinstance(configuration.get("backbone"), str),
        "options": isinstance(configuration.get("options"), dict),
        "window": type(configuration.get("window")) is int,
        "shift": _numbers(shift),
        "scale": _numbers(scale) and min(scale) > 0,
    }
    for field, good in right.items():
        if not good:
            raise InputError(f"field '{field}' is missing or impossible", str(path), HINT)
    if len(shift) != len(scale):
        raise InputError("fields 'shift' and 'scale' differ in length", str(path), HINT)
    return configuration


def read_weights(folder: Path, module: torch.nn.Module, hint: str = HINT) -> None:
    """Load saved weights into ``module``, all or none; names and shapes must match."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError("no such file", str(path), "train the detector anew")
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise InputError(f"cannot read the weights: {error}", str(path), HINT) from error
    saved, own = ({name: tuple(x.shape) for name, x in state.items()} for state in (tensors, module.state_dict()))
    for name in sorted(saved.keys() | own.keys()):
        if saved.get(name) != own.get(name):
            what = f"'{name}' is {saved.get(name, 'not there')}, not {own.get(name, 'expected')}"
            raise InputError(f"weights do not fit: {what}", str(path), hint)
    module.load_state_dict(tensors)


def _numbers(values: Any) -> bool:
    """Whether this is a list of at least one finite number."""
    return (
        isinstance(values, list)
        and len(values) > 0
        and all(type(value) in (int, float) and math.isfinite(value) for value in values)
    )
