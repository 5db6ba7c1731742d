"""Unfinished training on disk: one safetensors file, from which training goes on to the same weights."""

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

from ape.core.errors import InputError
from ape.core.files import write_bytes

HINT = "delete it to train from the start, or choose another folder"


@dataclass(frozen=True)
class Checkpoint:
    """Where training leaves its state.

    Parameters
    ----------
    path : Path
    key : str
        What is trained, on what, how: a state with another key is refused.
    """

    path: Path
    key: str

    def save(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Write tensors and JSON-able values, whole or not at all."""
        stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        write_bytes(self.path, save(stored, metadata={"key": self.key, "plain": json.dumps(plain)}))

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What `save` wrote last; None where there is nothing yet.

        Raises
        ------
        InputError
            The file is damaged, or of another training.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            plain = json.loads(metadata["plain"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(f"cannot read the training checkpoint: {error}", str(self.path), HINT) from error
        if metadata.get("key") != self.key:
            raise InputError("the checkpoint belongs to another series, backbone or seed", str(self.path), HINT)
        return tensors, plain

    @contextmanager
    def refuse_mismatch(self) -> Iterator[None]:
        """Refuse, as an `InputError`, what was loaded and does not fit whom it is given to."""
        try:
            yield
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"the training checkpoint does not fit: {error}"[:300], str(self.path), HINT) from error


@dataclass(frozen=True)
class TrainingState:
    """What every training changes: modules, optimiser, schedule, and torch's global random states.

    Parameters
    ----------
    modules : mapping of nn.Module
        By the names that their weights are stored under.
    optimiser, schedule : Optimizer, LRScheduler
    """

    modules: Mapping[str, nn.Module]
    optimiser: Optimizer
    schedule: LRScheduler

    def weights(self) -> dict[str, Tensor]:
        """Independent copies of the weights and buffers of all modules."""
        state = {name: module.state_dict() for name, module in self.modules.items()}
        return {f"{name}/{key}": value.clone() for name, tree in state.items() for key, value in tree.items()}

    def set_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what `weights` gave."""
        for name, module in self.modules.items():
            module.load_state_dict(select_prefix(name, tensors))

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values for a checkpoint."""
        optimiser = self.optimiser.state_dict()
        moments = {f"{i}/{name}": value for i, state in optimiser["state"].items() for name, value in state.items()}
        tensors = self.weights() | add_prefix("optimiser", moments) | add_prefix("random", _random_states())
        return tensors, {"groups": optimiser["param_groups"], "schedule": self.schedule.state_dict()}

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Go back to what `stored` gave."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in select_prefix("optimiser", tensors).items():
            i, _, part = name.partition("/")
            moments.setdefault(int(i), {})[part] = value
        self.set_weights(tensors)
        self.optimiser.load_state_dict({"state": moments, "param_groups": plain["groups"]})
        self.schedule.load_state_dict(dict(plain["schedule"]))
        _set_random_states(select_prefix("random", tensors))


def _random_states() -> dict[str, Tensor]:
    devices = range(torch.cuda.device_count())
    return {"cpu": torch.get_rng_state()} | {str(i): torch.cuda.get_rng_state(i) for i in devices}


def _set_random_states(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    for i in range(torch.cuda.device_count()):
        if str(i) in states:
            torch.cuda.set_rng_state(states[str(i)], i)


def delete_checkpoint(path: Path) -> None:
    """Remove a checkpoint, and what a kill in the middle of writing one left beside it."""
    for left in (path, *path.parent.glob(f".{path.name}.*")):
        left.unlink(missing_ok=True)


def fingerprint(described: Any, *values: Tensor) -> str:
    """Key of a training by what its ``repr`` says and by the values that it is on."""
    digest = hashlib.sha256(f"{torch.__version__} {described!r}".encode())
    for tensor in values:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def add_prefix(prefix: str, tree: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of a state put under a prefix."""
    return {f"{prefix}/{name}": tensor for name, tensor in tree.items()}


def select_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of `flatten`: the tensors below a prefix."""
    begin = f"{prefix}/"
    return {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}
