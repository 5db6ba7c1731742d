"""The files and folders under temporary names that this process writes at the moment."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

LEFT = re.compile(r"\..+\.([a-z0-9_]{8}|old)")  # the names that `tempfile` and `ape.core.files.atomic_folder` give

_unfinished: set[Path] = set()


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """Say that ``path`` is unfinished inside the block."""
    _unfinished.add(path)
    try:
        yield
    finally:
        _unfinished.discard(path)


def remove_unfinished() -> None:
    """Remove what is unfinished. This process has to end right afterwards."""
    for path in list(_unfinished):
        _remove(path)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed left unfinished in a folder; no other process may write there."""
    for path in [path for path in folder.rglob(".*") if LEFT.fullmatch(path.name)]:
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
