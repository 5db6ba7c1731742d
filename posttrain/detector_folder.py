"""Save and load enhanced detectors: a folder with the backbone, the bank, one safetensors and one JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

import ape.detectors
from ape.core import files
from ape.core.checkpoint import add_prefix, select_prefix
from ape.core.checksums import keep_checksums, require_unchanged
from ape.core.errors import InputError
from ape.core.run_files import BANK
from ape.detectors import Detector, WrappedDetector
from ape.detectors.detector_folder import read_requirements
from ape.posttrain.backbone_inputs import BACKBONE_INPUTS, BackboneStatistics
from ape.posttrain.calibration import AGES, SUBSPACE, VOICES, Calibration, Voice
from ape.posttrain.discriminator.free import FREE_FACTORS
from ape.posttrain.discriminator.network import RuleDiscriminator
from ape.posttrain.discriminator.normal import Normal
from ape.posttrain.discriminator.rules import BankDiscriminator, Question
from ape.posttrain.discriminator.tail import GRID, Tail
from ape.posttrain.normal_part import NormalPart
from ape.rules import RuleBank, broad_bank
from ape.series import Requirements

DESCRIPTION, TENSORS, BACKBONE = "detector.json", "posttrain.safetensors", "backbone"
KIND, FORMAT = "enhanced", 9
HINT = "the folder is damaged or was changed: enhance the detector again"

Parts = tuple[
    Detector,
    RuleBank,
    NormalPart,
    BankDiscriminator,
    RuleDiscriminator,
    BackboneStatistics | None,
    Requirements,
    Calibration,
    Voice,
]


def save_folder(
    folder: Path,
    backbone: Detector,
    bank: RuleBank,
    normal: NormalPart,
    model: BankDiscriminator,
    network: RuleDiscriminator,
    statistics: BackboneStatistics | None,
    required: Requirements,
    calibration: Calibration,
    kept: Voice,
) -> None:
    """Write the parts of an enhanced detector into ``folder`` atomically."""
    tensors = {
        "values": torch.from_numpy(normal.values),
        "segments": torch.tensor(normal.segments),
        "clean": torch.tensor(normal.clean),
        **add_prefix("model", model.state_dict()),
        **add_prefix("network", network.state_dict()),
        **add_prefix("backbone", {} if statistics is None else statistics.tensors()),
        **add_prefix("calibration", _calibration_tensors(calibration)),
    }
    stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with files.atomic_folder(folder, DESCRIPTION) as temporary:
        keep_checksums(temporary)
        backbone.save(temporary / BACKBONE)
        # All digits: `RuleBank.save` rounds, and a loaded detector has to have the same scores.
        files.write_text(temporary / BANK, bank.model_dump_json(indent=1) + "\n")
        files.write_bytes(temporary / TENSORS, safetensors.torch.save(stored))
        files.write_json(
            temporary / DESCRIPTION,
            {
                "kind": KIND,
                "format": FORMAT,
                "kept": kept,
                "latency": calibration.latency,
                "required": asdict(required),
            },
        )


def is_enhanced(folder: Path) -> bool:
    """Return whether ``folder`` contains an enhanced detector, according to its ``detector.json``."""
    description = files.read_json(folder / DESCRIPTION, "detector")
    return isinstance(description, dict) and description.get("kind") == KIND


def read_folder(folder: Path, into: WrappedDetector | None) -> Parts:
    """Read the parts of an enhanced detector.

    Raises
    ------
    InputError
        A file is missing or truncated, or does not match the others.
    """
    place = str(folder / DESCRIPTION)
    description = files.read_json(folder / DESCRIPTION, "detector")
    form = description.get("format") if isinstance(description, dict) else None
    if form != FORMAT:
        raise InputError(
            f"the enhanced detector has format {str(form)[:40]!r}, not {FORMAT}",
            place,
            "load it with the version of APE that wrote it, or enhance the detector again",
        )
    kept, latency = description.get("kept"), description.get("latency")
    if kept not in VOICES or type(latency) is not int or latency < 1:
        raise InputError("field 'kept' or 'latency' is missing or invalid", place, HINT)
    require_unchanged(folder / BANK)  # the bank of the run may be edited, this one belongs to the weights
    backbone, bank = ape.detectors.load(folder / BACKBONE, into=into), RuleBank.load(folder / BANK)
    path = folder / TENSORS
    require_unchanged(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read the enhanced detector: {error}", str(path), HINT) from error
    try:
        normal, model, network, statistics, calibration = _assemble(backbone, bank, latency, tensors)
    except (KeyError, TypeError, RuntimeError, ValueError, IndexError) as error:
        what = " ".join(str(error).split())[:200]
        raise InputError(f"the tensors do not match: {what}", str(path), HINT) from error
    required = read_requirements(description.get("required"), normal.values.shape[1], folder / DESCRIPTION)
    return backbone, bank, normal, model, network, statistics, required, calibration, kept


def _assemble(
    backbone: Detector, bank: RuleBank, latency: int, tensors: dict[str, Tensor]
) -> tuple[NormalPart, BankDiscriminator, RuleDiscriminator, BackboneStatistics | None, Calibration]:
    """Build the parts from the tensors. A mismatch raises an exception."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            msg = f"'{name}' is not finite"
            raise ValueError(msg)
    device = backbone.shift_and_scale[0].device
    channels = len(bank.context.channels)
    _require(len(backbone.shift_and_scale[0]) == channels, "the backbone and the bank have different channels")
    normal = _normal_part(tensors["values"], tensors["segments"], tensors["clean"], channels)
    window, factors = Normal.of(normal.values, bank.context, normal.segments, ~normal.is_clean).scales()
    _require(latency == window * factors[-1], f"'latency' {latency} is not that of the training part")
    network = RuleDiscriminator()
    _load(network, "network", tensors)
    further = select_prefix("backbone", tensors)
    question = Question.of(bank) if bank.rules else Question.any_anomaly(bank.context)
    model = BankDiscriminator(network, question, BACKBONE_INPUTS if further else 0)
    _load(model, "model", tensors)
    statistics = _statistics(backbone, further).to(device) if further else None
    sizes = question.rules, len(broad_bank(bank.context).rules)
    free = len([factor for factor in FREE_FACTORS if factor in factors])
    calibration = _calibration(select_prefix("calibration", tensors), sizes, free, latency)
    return normal, model.to(device).eval(), network.to(device).eval(), statistics, calibration


def _load(module: torch.nn.Module, name: str, tensors: dict[str, Tensor]) -> None:
    """Load weights of the same types; `load_state_dict` would convert others."""
    state = select_prefix(name, tensors)
    for key, own in module.state_dict().items():
        _require(key not in state or state[key].dtype == own.dtype, f"'{name}/{key}' has type {state.get(key)}")
    module.load_state_dict(state)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _normal_part(values: Tensor, segments: Tensor, clean: Tensor, channels: int) -> NormalPart:
    """Return the normal part after checking that its stretches lie in it, one after the other."""
    _require(values.dtype == torch.float32 and values.ndim == 2, "'values' are not rows of float32")
    _require(values.shape[1] == channels, f"'values' have {values.shape[1]} channels, the bank has {channels}")
    for name, part, within in (("segments", segments, torch.tensor([[0, len(values)]])), ("clean", clean, segments)):
        _require(part.dtype == torch.int64 and part.ndim == 2 and part.shape[1] == 2, f"'{name}' are not pairs")
        _require(len(part) > 0 and bool((part.flatten().diff() >= 0).all()), f"'{name}' are not in order")
        _require(bool((part[:, 0] < part[:, 1]).all()), f"'{name}' are empty")
        owner = torch.searchsorted(within[:, 0].contiguous(), part[:, 0].contiguous(), right=True) - 1
        inside = (owner >= 0) & (part[:, 1] <= within[owner.clamp(min=0), 1])
        _require(bool(inside.all()), f"'{name}' go beyond the training part")
    pairs = (tuple((begin, end) for begin, end in part.tolist()) for part in (segments, clean))
    return NormalPart(values.numpy(), *pairs)


def _statistics(backbone: Detector, tensors: Mapping[str, Tensor]) -> BackboneStatistics:
    shape = (len(backbone.shift_and_scale[1]), backbone.window)
    statistics = BackboneStatistics.from_tensors(tensors)
    size = tensors["size"]
    _require(size.shape[1:] == shape[1:] and bool((size > 0).all()), "'backbone/size' is not that of the backbone")
    return statistics


def _calibration_tensors(calibration: Calibration) -> dict[str, Tensor]:
    of_scores = (tail for voice in (*VOICES, SUBSPACE) for tail in calibration.scores[voice])
    tails = [calibration.rules, *calibration.free, calibration.subspace, *of_scores]
    arrays: dict[str, Any] = {
        "bank": calibration.bank,
        "generic": calibration.generic,
        "quantiles": np.stack([tail.quantiles for tail in tails]),
        "excess": np.array([tail.excess for tail in tails]),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _calibration(tensors: Mapping[str, Tensor], sizes: tuple[int, int], free: int, latency: int) -> Calibration:
    """Return the calibration of R rules, K operators and F lengths of the free voice after checking its values."""
    bank, generic, quantiles, excess = (tensors[name] for name in ("bank", "generic", "quantiles", "excess"))
    _require(all(tensor.dtype == torch.float64 for tensor in tensors.values()), "the calibration is not float64")
    _require((*bank.shape, *generic.shape) == sizes, "the calibration is of other rules")
    stages = len(AGES) + 3
    shape = 2 + free + stages * len(VOICES) + 2, GRID
    _require(quantiles.shape == shape, f"the calibration has shape {tuple(quantiles.shape)}, not {shape}")
    _require(excess.shape == quantiles.shape[:1], "the calibration has tails of other voices")
    _require(bool((quantiles.diff(dim=1) >= 0).all() and (excess > 0).all()), "the calibration is not in order")
    tails = [Tail(row.numpy(), float(above)) for row, above in zip(quantiles, excess, strict=True)]
    rules, *of_free, subspace = tails[: 2 + free]
    *of_scores, held_out, trained = tails[2 + free :]
    scores: dict[str, tuple[Tail, ...]] = {
        voice: tuple(of_scores[k * stages : (k + 1) * stages]) for k, voice in enumerate(VOICES)
    }
    scores[SUBSPACE] = held_out, trained
    return Calibration(bank.numpy(), generic.numpy(), rules, tuple(of_free), subspace, latency, scores)
