"""Arrays and pictures that tools make, kept on disk under the digest of their content."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ape.core.errors import InputError
from ape.core.files import write_bytes

IDENTIFIER = re.compile(r"[0-9a-f]{16}\.[a-z0-9]{1,8}")


@dataclass(frozen=True)
class Artefacts:
    """A folder of artefacts; the same content always has the same id, so that writing twice changes nothing.

    Parameters
    ----------
    folder : Path
        Made with the first artefact.
    """

    folder: Path

    def put_bytes(self, data: bytes, suffix: str) -> str:
        """Keep ``data``; returns its id, the first 16 hex digits of its SHA-256 and ``suffix`` (such as ``.png``)."""
        identifier = _digest(data) + suffix
        path = self.path(identifier)
        if not path.is_file():
            write_bytes(path, data)
        return identifier

    def put_array(self, array: np.ndarray) -> str:
        """Keep a numeric array as ``.npy``, without pickle."""
        out = io.BytesIO()
        np.save(out, np.ascontiguousarray(array), allow_pickle=False)
        return self.put_bytes(out.getvalue(), ".npy")

    def get_bytes(self, identifier: str) -> bytes:
        """Content of an artefact; `InputError` where there is none."""
        path = self.path(identifier)
        if not path.is_file():
            raise InputError(f"no artefact '{identifier}'", str(self.folder), "give one that a tool returned")
        return path.read_bytes()

    def path(self, identifier: str) -> Path:
        """Where an artefact is or would be; an id that could lead out of the folder is refused."""
        if not IDENTIFIER.fullmatch(identifier):
            raise InputError(f"no artefact id: {identifier[:40]!r}", str(self.folder), "give one that a tool returned")
        return Path(self.folder) / identifier


def evidence_record(tool: str, arguments: dict[str, Any], result: dict[str, Any]) -> bytes:
    """A tool call with its result, as it is kept for evidence."""
    return json.dumps({"tool": tool, "arguments": arguments, "result": result}, sort_keys=True).encode()


def evidence_id(tool: str, record: bytes) -> str:
    """By which it is cited: the tool's name and the id of its record, without the suffix."""
    return f"{tool}-{_digest(record)}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
