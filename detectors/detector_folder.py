"""Detector folders: ``weights.safetensors`` and ``detector.json``, without pickle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ape.core.checksums import keep_checksums, require_unchanged
from ape.core.errors import InputError
from ape.core.files import atomic_folder, read_json, write_bytes, write_json
from ape.core.run_files import remedy
from ape.series import Requirements

FORMAT = 1
LARGEST = float(np.finfo(np.float32).max)
WEIGHTS, CONFIGURATION = "weights.safetensors", "detector.json"
HINT = "the file was changed or damaged; train the detector again"


@dataclass(frozen=True)
class Configuration:
    """The contents of ``detector.json``.

    Parameters
    ----------
    backbone : str
        Name of the backbone, or ``wrapped``.
    options : dict
        Arguments of the backbone's constructor.
    window : int
        Samples.
    shift, scale : list of float
        One value per channel, or one value for all channels.
    required : Requirements
        What the detector requires of a series. Folders of earlier versions do not have it: channels are then matched by
        position.
    """

    backbone: str
    options: dict[str, Any]
    window: int
    shift: list[float]
    scale: list[float]
    required: Requirements


def write_folder(folder: Path, configuration: Configuration, module: torch.nn.Module) -> None:
    """Write a detector into ``folder`` atomically."""
    # safetensors refuses tensors that share memory, such as tied weights; clones do not.
    state = module.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    with atomic_folder(folder, CONFIGURATION) as temporary:
        keep_checksums(temporary)
        write_bytes(temporary / WEIGHTS, save(tensors))
        fields = {**vars(configuration), "required": asdict(configuration.required)}
        write_json(temporary / CONFIGURATION, {"kind": "detector", "format": FORMAT, **fields})


def read_configuration(folder: Path) -> Configuration:
    """Read and check the configuration of a saved detector.

    Names, options and sizes that only a backbone can judge are not checked here.

    Raises
    ------
    InputError
        The file is missing, damaged, or has another format; a field is missing or invalid.
    """
    path = folder / CONFIGURATION
    fields = read_json(path, "detector")
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise InputError(
            "not a detector of this format", str(path), f"train it again; this version reads format {FORMAT}"
        )
    shift, scale = fields.get("shift", []), fields.get("scale", [])
    valid = {
        "backbone": isinstance(fields.get("backbone"), str),
        "options": isinstance(fields.get("options"), dict),
        "window": type(fields.get("window")) is int,
        "shift": _is_list_of_numbers(shift),
        "scale": _is_list_of_numbers(scale) and np.float32(min(scale)) > 0,
    }
    for name, ok in valid.items():
        if not ok:
            raise InputError(f"field '{name}' is missing or invalid", str(path), HINT)
    if len(shift) != len(scale):
        raise InputError("fields 'shift' and 'scale' differ in length", str(path), HINT)
    required = read_requirements(fields.get("required"), len(shift), path)
    return Configuration(**{name: fields[name] for name in valid}, required=required)


def read_requirements(fields: Any, channels: int, path: Path) -> Requirements:
    """Return the requirements of a detector with ``channels`` channels from the value of a JSON file.

    Raises
    ------
    InputError
        A part of it is invalid.
    """
    if fields is None:
        return Requirements()
    if not isinstance(fields, dict) or not {"channels", "counters"} <= set(fields) <= set(REQUIRED):
        raise InputError("field 'required' is invalid", str(path), HINT)
    for name, value in fields.items():  # folders of earlier versions lack some
        if not REQUIRED[name](value) or (name in PER_CHANNEL and len(value) not in (0, channels)):
            raise InputError(f"field 'required.{name}' is invalid", str(path), HINT)
    if not set(fields["counters"]) <= set(fields["channels"]):
        raise InputError("field 'required.counters' names other channels", str(path), HINT)
    for pair in PAIRS:
        if len({len(fields.get(name, ())) for name in pair}) > 1:
            raise InputError(f"fields 'required.{pair[0]}' and 'required.{pair[1]}' differ in length", str(path), HINT)
    values: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in fields.items()}
    return Requirements(**values)


def read_weights(folder: Path, module: torch.nn.Module, hint: str = HINT) -> None:
    """Load saved weights into ``module``.

    Raises
    ------
    InputError
        The file is missing or damaged, a weight is not finite, or names, shapes or types differ (hint: ``hint``);
        ``module`` is then unchanged.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError("no such file", str(path), remedy(path, "train the detector again"))
    require_unchanged(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise InputError(f"cannot read the weights: {error}", str(path), HINT) from error
    saved, expected = ({name: _form(x) for name, x in state.items()} for state in (tensors, module.state_dict()))
    for name in sorted(saved.keys() | expected.keys()):
        if saved.get(name) != expected.get(name):
            what = f"'{name}' is {saved.get(name, 'missing')}, expected {expected.get(name, 'no such weight')}"
            raise InputError(f"weights do not fit: {what}", str(path), hint)
    for name, _ in module.named_parameters():  # a buffer may be infinite, such as a mask
        if name in tensors and not torch.isfinite(tensors[name]).all():
            raise InputError(f"weight '{name}' is not finite", str(path), HINT)
    module.load_state_dict(tensors)


def _form(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _is_list_of_numbers(values: Any) -> bool:
    """Whether ``values`` is a non-empty list of numbers that are finite in float32."""
    return isinstance(values, list) and len(values) > 0 and all(map(_is_number, values))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST


def _are_names(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _are_numbers(values: Any) -> bool:
    return values == [] or _is_list_of_numbers(values)


def _are_sizes(values: Any) -> bool:
    return values == [] or (_is_list_of_numbers(values) and min(values) >= 0)


# The fields of `Requirements` in JSON, and what they may be.
REQUIRED: dict[str, Callable[[Any], bool]] = {
    "channels": _are_names,
    "offset": _are_numbers,
    "step": lambda value: value is None or (_is_number(value) and value > 0),
    "named": lambda value: isinstance(value, bool),
    "counters": _are_names,
    "standstills": lambda values: isinstance(values, list) and all(type(x) is int and x > 0 for x in values),
    "changes": _are_sizes,
    "lowest": _are_numbers,
    "highest": _are_numbers,
    "zone": lambda value: value is None or isinstance(value, str),
    "errors": _are_sizes,
}
PER_CHANNEL = ("channels", "offset", "standstills", "changes", "lowest", "highest", "errors")
PAIRS = (("standstills", "changes"), ("lowest", "highest"))  # known together
