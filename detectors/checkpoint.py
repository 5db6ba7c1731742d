"""Unfinished training on disk: one safetensors file, from which training goes on to the same weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ape.series import InputError
from ape.series.files import write_bytes

MEND = "delete it to train from the start, or choose another folder"


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
            raise InputError(f"cannot read the unfinished training: {error}", str(self.path), MEND) from error
        if metadata.get("key") != self.key:
            raise InputError("unfinished training of another series, backbone or seed", str(self.path), MEND)
        return tensors, plain


def discard(path: Path) -> None:
    """Remove a checkpoint, and what a kill in the middle of writing one left beside it."""
    for left in (path, *path.parent.glob(f".{path.name}.*")):
        left.unlink(missing_ok=True)


def fingerprint(described: Any, values: Tensor) -> str:
    """Key of a training by what its ``repr`` says and by the values that it is on."""
    digest = hashlib.sha256(f"{torch.__version__} {described!r}".encode())
    digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def flatten(prefix: str, tree: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of a state put under a prefix."""
    return {f"{prefix}/{name}": tensor for name, tensor in tree.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of `flatten`: the tensors below a prefix."""
    begin = f"{prefix}/"
    return {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}
