"""Checkpoints of unfinished training: one safetensors file; resuming gives bit-identical weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ape.core.checksums import forget, require_unchanged
from ape.core.errors import InputError
from ape.core.files import write_bytes

HINT = "delete it to train from the start, or choose another folder"


@dataclass(frozen=True)
class Checkpoint:
    """File with the state of an unfinished training.

    Parameters
    ----------
    path : Path
    key : str
        Identifies the training (see `fingerprint`). A file with another key is refused.
    """

    path: Path
    key: str

    def save(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Write tensors and JSON-serialisable values atomically."""
        stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        write_bytes(self.path, save(stored, metadata={"key": self.key, "plain": json.dumps(plain)}))

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return the tensors and values that `save` wrote, or None if there is no file.

        Raises
        ------
        InputError
            The file is damaged or belongs to another training.
        """
        if not self.path.is_file():
            return None
        require_unchanged(self.path)
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            plain = json.loads(metadata["plain"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"cannot read the training checkpoint: {error}", str(self.path), HINT) from error
        if metadata.get("key") != self.key:
            raise InputError("the checkpoint belongs to another series, backbone or seed", str(self.path), HINT)
        return tensors, plain

    @contextmanager
    def refuse_mismatch(self) -> Iterator[None]:
        """Raise `InputError` if restoring the loaded state fails inside the block."""
        try:
            yield
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"the training checkpoint does not fit: {error}"[:300], str(self.path), HINT) from error


def delete_checkpoint(path: Path) -> None:
    """Delete a checkpoint and the temporary files of interrupted writes."""
    for file in (path, *path.parent.glob(f".{path.name}.*")):
        file.unlink(missing_ok=True)
    forget([path])


def fingerprint(description: Any, *values: Tensor) -> str:
    """Return a key for a training: SHA-256 of the torch version, ``repr(description)`` and the tensors."""
    digest = hashlib.sha256(f"{torch.__version__} {description!r}".encode())
    for tensor in values:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class TrainingState:
    """State that every training changes: modules, optimiser, schedule, and torch's global random states.

    Parameters
    ----------
    modules : mapping of str to nn.Module
        The keys prefix the names of the stored weights.
    optimiser : Optimizer
    schedule : LRScheduler
    """

    modules: Mapping[str, nn.Module]
    optimiser: Optimizer
    schedule: LRScheduler

    def weights(self) -> dict[str, Tensor]:
        """Return copies of the weights and buffers of all modules."""
        states = {name: module.state_dict() for name, module in self.modules.items()}
        return {f"{name}/{key}": value.clone() for name, state in states.items() for key, value in state.items()}

    def set_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load weights returned by `weights`."""
        for name, module in self.modules.items():
            module.load_state_dict(select_prefix(name, tensors))

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state as tensors and JSON-serialisable values, as `Checkpoint.save` takes them."""
        optimiser = self.optimiser.state_dict()
        moments = {f"{i}/{name}": value for i, state in optimiser["state"].items() for name, value in state.items()}
        tensors = self.weights() | add_prefix("optimiser", moments) | add_prefix("random", _random_states())
        return tensors, {"groups": optimiser["param_groups"], "schedule": self.schedule.state_dict()}

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Load a state returned by `snapshot`."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in select_prefix("optimiser", tensors).items():
            i, _, part = name.partition("/")
            moments.setdefault(int(i), {})[part] = value
        self.set_weights(tensors)
        self.optimiser.load_state_dict({"state": moments, "param_groups": plain["groups"]})
        self.schedule.load_state_dict(dict(plain["schedule"]))
        _set_random_states(select_prefix("random", tensors))


def add_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with ``prefix/`` before each name."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def select_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors named ``prefix/...``, without the prefix; the inverse of `add_prefix`."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _random_states() -> dict[str, Tensor]:
    devices = range(torch.cuda.device_count())
    return {"cpu": torch.get_rng_state()} | {str(i): torch.cuda.get_rng_state(i) for i in devices}


def _set_random_states(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for i in range(torch.cuda.device_count()):
        if str(i) in states:
            torch.cuda.set_rng_state(states[str(i)], i)
