"""Detectors on disk: ``weights.safetensors`` and ``detector.json`` in one folder, never pickle."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ape.series import InputError
from ape.series.files import read_json, replace_folder, write_bytes, write_json

if TYPE_CHECKING:
    from ape.detectors.detector import WindowedDetector

FORMAT = 1
WEIGHTS, CONFIGURATION = "weights.safetensors", "detector.json"


def save_folder(detector: WindowedDetector, folder: Path) -> None:
    """Write a detector into ``folder``, which appears whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in detector.module.state_dict().items()}
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
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise InputError(f"cannot write: {error.strerror}", str(folder), "choose another folder") from error
    try:
        temporary.chmod(0o755)
        write_bytes(temporary / WEIGHTS, save(tensors))
        write_json(temporary / CONFIGURATION, configuration)
        replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_configuration(folder: Path) -> dict[str, Any]:
    """Configuration of a saved detector, checked."""
    path = folder / CONFIGURATION
    configuration = read_json(path, "detector")
    wanted = {"backbone": str, "options": dict, "window": int, "shift": list, "scale": list}
    if not isinstance(configuration, dict) or configuration.get("format") != FORMAT:
        raise InputError(
            "not a detector of this format", str(path), f"train it anew; this version reads format {FORMAT}"
        )
    for field, kind in wanted.items():
        if not isinstance(configuration.get(field), kind):
            raise InputError(f"field '{field}' is missing or malformed", str(path), "train the detector anew")
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
        raise InputError(
            f"weights do not fit: {what}", str(path), "the file is damaged; train the detector anew"
        ) from error
