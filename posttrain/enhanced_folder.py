"""Save and load enhanced detectors: a folder with the saved backbone, one safetensors file and one JSON file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

import ape.detectors
from ape.core import files
from ape.core.errors import InputError
from ape.detectors import Detector, WrappedDetector
from ape.detectors.detector_folder import read_requirements
from ape.posttrain.reference_windows import ReferenceWindows
from ape.posttrain.representation import Representation
from ape.posttrain.score import KNOTS, MEASURES, Bounds, Calibration
from ape.series import Requirements
from ape.series.windows import clip, starts

DESCRIPTION, TENSORS, BACKBONE = "detector.json", "posttrain.safetensors", "backbone"
KIND, FORMAT = "enhanced", 6
HEAD = "representation."
FORMS = {  # type and number of dimensions
    "values": (torch.float32, 2),
    "memory_starts": (torch.int64, 1),
    "segments": (torch.int64, 2),
}
HINT = "the folder is damaged or was changed: enhance the detector again"


def save_folder(
    folder: Path,
    backbone: Detector,
    reference_windows: ReferenceWindows,
    values: np.ndarray,
    representation: Representation,
    required: Requirements,
    calibration: Calibration,
) -> None:
    """Write the parts of an enhanced detector into ``folder`` atomically."""
    tensors = {
        "values": torch.from_numpy(values),
        "memory_starts": reference_windows.starts,
        "segments": torch.tensor(reference_windows.segments),
        "calibration.window_bounds": torch.from_numpy(calibration.bounds.windows),
        "calibration.point_bound": torch.tensor(calibration.bounds.points, dtype=torch.float64),
        "calibration.knots": torch.from_numpy(calibration.knots),
        "calibration.excess": torch.from_numpy(calibration.excess),
        "calibration.weights": torch.from_numpy(calibration.weights),
    }
    tensors |= {HEAD + name: tensor for name, tensor in representation.state_dict().items()}
    data = safetensors.torch.save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()})
    with files.atomic_folder(folder, DESCRIPTION) as temporary:
        backbone.save(temporary / BACKBONE)
        files.write_bytes(temporary / TENSORS, data)
        files.write_json(
            temporary / DESCRIPTION,
            {
                "kind": KIND,
                "format": FORMAT,
                "window": backbone.window,
                "inputs": representation.inputs,
                "required": asdict(required),
            },
        )


def is_enhanced(folder: Path) -> bool:
    """Return whether ``folder`` contains an enhanced detector, according to its ``detector.json``."""
    description = files.read_json(folder / DESCRIPTION, "detector")
    return isinstance(description, dict) and description.get("kind") == KIND


def read_folder(
    folder: Path, into: WrappedDetector | None
) -> tuple[Detector, ReferenceWindows, np.ndarray, Representation, Requirements, Calibration]:
    """Read the parts of an enhanced detector.

    Raises
    ------
    InputError
        A file is missing or truncated, or does not match the others.
    """
    description = files.read_json(folder / DESCRIPTION, "detector")
    if description.get("format") != FORMAT:
        raise InputError(
            f"the enhanced detector has format {description.get('format')!r}, not {FORMAT}",
            str(folder / DESCRIPTION),
            "load it with the version of APE that wrote it",
        )
    backbone = ape.detectors.load(folder / BACKBONE, into=into)
    path = folder / TENSORS
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read the enhanced detector: {error}", str(path), HINT) from error
    try:
        windows, values, representation, calibration = _assemble(backbone, tensors, description["inputs"])
    except (KeyError, TypeError, RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"the tensors do not match: {error}", str(path), HINT) from error
    required = read_requirements(description.get("required"), values.shape[1], folder / DESCRIPTION)
    return backbone, windows, values, representation, required, calibration


def _assemble(
    backbone: Detector, tensors: dict[str, torch.Tensor], inputs: list[str]
) -> tuple[ReferenceWindows, np.ndarray, Representation, Calibration]:
    """Build the parts from the backbone and the tensors. A mismatch raises an exception."""
    if not inputs:
        msg = "the heads have no inputs"
        raise ValueError(msg)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            msg = f"'{name}' is not finite"
            raise ValueError(msg)
        floating = torch.float64 if name.startswith("calibration.") else torch.float32
        dtype, dimensions = FORMS.get(name, (floating, tensor.ndim))
        if (tensor.dtype, tensor.ndim) != (dtype, dimensions):
            msg = f"'{name}' has type {tensor.dtype} and {tensor.ndim} dimensions"
            raise ValueError(msg)
    state = {name.removeprefix(HEAD): tensor for name, tensor in tensors.items() if name.startswith(HEAD)}
    sizes = len(state["latent_mean"]), len(state["nearest.mean"])
    representation = Representation(*sizes, inputs, state["gains"].tolist(), torch.Generator())
    representation.load_state_dict(state)
    values, positions = tensors["values"].numpy(), tensors["memory_starts"].numpy()
    if (np.diff(positions) <= 0).any():
        msg = "the references are not in order"
        raise ValueError(msg)
    segments = [(begin, end) for begin, end in tensors["segments"].tolist()]
    if not np.isin(positions, starts(clip(segments, 0, len(values)), backbone.window)).all():
        msg = "references across a gap"
        raise ValueError(msg)
    reference_windows = ReferenceWindows.build(values, segments, positions, backbone.window, *backbone.shift_and_scale)
    names = ("window_bounds", "point_bound", "knots", "excess", "weights")
    window_bounds, point_bound, knots, excess, weights = stored = [tensors[f"calibration.{x}"].numpy() for x in names]
    shapes, measures = [array.shape for array in stored], len(MEASURES)
    if shapes != [(measures - 1,), (), (measures, KNOTS), (measures,), (measures,)]:
        msg = f"the calibration has shapes {shapes}"
        raise ValueError(msg)
    scales = window_bounds, point_bound, excess, state["error_scales"].numpy()
    if not all((scale > 0).all() for scale in scales) or (np.diff(knots) < 0).any():
        msg = "scales are not positive, or knots not in order"
        raise ValueError(msg)
    calibration = Calibration(Bounds(window_bounds, float(point_bound)), knots, excess, weights)
    representation = representation.to(reference_windows.starts.device).eval()
    return reference_windows, values, representation, calibration
