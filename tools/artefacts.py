"""Store arrays, pictures and tool results on disk under the digest of their content."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ape.core.errors import InputError
from ape.core.files import write_bytes
from ape.core.run_files import remedy

IDENTIFIER = re.compile(r"[0-9a-f]{16}\.[a-z0-9]{1,8}")


@dataclass(frozen=True)
class Artefacts:
    """A folder of artefacts. Equal content has an equal id, so writing it twice changes nothing.

    Parameters
    ----------
    folder : Path
        Created with the first artefact.
    """

    folder: Path

    def put_bytes(self, data: bytes, suffix: str) -> str:
        """Store ``data`` and return its id: the first 16 hex digits of its SHA-256, then ``suffix``."""
        identifier = _digest(data) + suffix
        path = self.path(identifier)
        if not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)
        return identifier

    def put_array(self, array: np.ndarray) -> str:
        """Store a numeric array as ``.npy``, without pickle, and return its id."""
        out = io.BytesIO()
        np.save(out, np.ascontiguousarray(array), allow_pickle=False)
        return self.put_bytes(out.getvalue(), ".npy")

    def get_bytes(self, identifier: str) -> bytes:
        """Return the content of an artefact, or raise an `InputError` if it does not exist or is damaged."""
        path = self.path(identifier)
        if not path.is_file():
            raise InputError(f"no artefact '{identifier}'", str(self.folder), "use an id that a tool returned")
        data = path.read_bytes()
        if _digest(data) != path.stem and not _is_whole_picture(data):
            raise InputError("the artefact is damaged", str(path), remedy(path))
        return data

    def path(self, identifier: str) -> Path:
        """Return the path of an artefact. An id that could lead out of the folder is refused."""
        if not IDENTIFIER.fullmatch(identifier):
            raise InputError(f"no artefact id: {identifier[:40]!r}", str(self.folder), "use an id that a tool returned")
        return Path(self.folder) / identifier


def _is_whole_picture(data: bytes) -> bool:
    """Whether the data are a PNG whose checksums are right; a picture of a packed run was reduced."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False
    return True


def evidence_record(tool: str, arguments: dict[str, Any], result: dict[str, Any]) -> bytes:
    """Return a tool call and its result as the JSON that is stored as evidence."""
    return json.dumps({"tool": tool, "arguments": arguments, "result": result}, sort_keys=True).encode()


def evidence_id(tool: str, record: bytes) -> str:
    """Return the id that cites a record: the tool name, then the digest of the record."""
    return f"{tool}-{_digest(record)}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
