"""Detectors on disk: ``weights.safetensors`` and ``detector.json`` in one folder, never pickle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ape.series import InputError
from ape.series.files import read_json, whole_folder, write_bytes, write_json

if TYPE_CHECKING:
    from ape.detectors.detector import WindowedDetector

FORMAT = 1
WEIGHTS, CONFIGURATION = "weights.safetensors", "detector.json"
MEND = "the file was changed or damaged; train the detector anew"


def save_folder(detector: WindowedDetector, folder: Path) -> None:
    """Write a detector into ``folder``, which appears whole or not at all."""
    # clones, since tied weights share memory, which safetensors refuses
    tensors = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in detector.module.state_dict().items()
    }
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
    with whole_folder(folder, CONFIGURATION) as temporary:
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
            raise InputError(f"field '{field}' is missing or impossible", str(path), MEND)
    if len(shift) != len(scale):
        raise InputError("fields 'shift' and 'scale' differ in length", str(path), MEND)
    return configuration


def read_weights(folder: Path, module: torch.nn.Module) -> None:
    """Load saved weights into ``module``; names and shapes must match."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError("no such file", str(path), "train the detector anew")
    try:
        module.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, ValueError) as error:
        what = str(error).splitlines()[-1].strip()[:160]
        raise InputError(f"weights do not fit: {what}", str(path), MEND) from error


def _numbers(values: Any) -> bool:
    """Whether this is a list of at least one finite number."""
    return (
        isinstance(values, list)
        and len(values) > 0
        and all(type(value) in (int, float) and math.isfinite(value) for value in values)
    )
