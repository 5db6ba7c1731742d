"""Fingerprints of what was read of a file: whether a file still has it."""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

FINGERPRINT = 1024  # bytes


def has_prints(file: BinaryIO, offset: int, prints: list[str] | None) -> bool:
    """Whether a file has the bytes that were read before the offset."""
    return prints is None or prints_of(file, offset) == prints


def prints_of(file: BinaryIO, offset: int) -> list[str]:
    """Return fingerprints of the first bytes of a file and of the last ones before an offset."""
    size = min(offset, FINGERPRINT)
    parts = [os.pread(file.fileno(), size, begin) for begin in (0, offset - size)]
    return [hashlib.sha256(part).hexdigest()[:16] for part in parts]
