"""Folders that are in use: one that is deleted meanwhile must not come back by the next file that is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ape.core.errors import InputError

Identity = tuple[int, int] | None  # device and inode; None if there is no folder

_in_use: dict[Path, Identity] = {}  # by absolute path


@contextlib.contextmanager
def kept_in_place(folder: Path) -> Iterator[None]:
    """Within the block, write nothing into ``folder`` once it was deleted, moved or replaced: it would come back.

    Raises
    ------
    InputError
        The folder is gone; whatever the block raised for that reason is replaced.
    """
    key = _absolute(folder)
    nested = key in _in_use
    handle = os.open(key, os.O_RDONLY)  # so that no other folder gets its inode
    begun = _in_use.setdefault(key, _identity(key))
    try:
        yield
    except Exception as error:
        if _identity(key) != begun:
            raise _was_deleted(folder) from error
        raise
    finally:
        os.close(handle)
        if not nested:
            del _in_use[key]
    if _identity(key) != begun:
        raise _was_deleted(folder)


def require_in_place(path: Path) -> None:
    """Refuse to write into a folder that `kept_in_place` guards and that is gone."""
    for folder in _absolute(path).parents if _in_use else ():
        if folder in _in_use and _identity(folder) != _in_use[folder]:
            raise _was_deleted(folder)


def _was_deleted(folder: Path) -> InputError:
    return InputError("the folder was deleted or moved while it was in use", str(folder), "start again")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 (links are kept)


def _identity(folder: Path) -> Identity:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
