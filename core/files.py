"""Atomic writing of files and folders: write to a temporary neighbour, then rename it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ape.core import checksums
from ape.core.atomic import cannot_write, replace_file
from ape.core.errors import EditedWarning, InputError
from ape.core.in_place import require_in_place
from ape.core.run_files import remedy
from ape.core.temporaries import unfinished

MOST_BYTES = 2**25  # of a file that is read as a whole, unless more is expected


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically. Parent folders are created.

    In a folder that keeps checksums, that of the file is recorded.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    path = Path(path)
    require_in_place(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checksums.record(path, data)
        replace_file(path, data)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8 atomically."""
    # Names of files may have bytes that are no UTF-8; in JSON, their escapes mean the same.
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path | str, obj: Any) -> None:
    """Write ``obj`` as indented JSON atomically.

    Raises
    ------
    ValueError
        ``obj`` contains NaN or infinity.
    """
    write_text(path, json.dumps(obj, indent=2, allow_nan=False) + "\n")


def read_bytes(path: Path | str, kind: str, most: int = MOST_BYTES) -> bytes:
    """Return the content of a file that is as it was written. ``kind`` names its content in error messages.

    Raises
    ------
    InputError
        The file does not exist, has more than ``most`` bytes, or was changed or damaged after it was written.
    """
    path = Path(path)
    if not path.is_file():
        what = f"not a {kind}: no regular file" if os.path.lexists(path) else f"no such {kind}"
        raise InputError(what, str(path), remedy(path, "check the path"))
    _require_size(path, kind, most)
    checksums.require_unchanged(path)
    return path.read_bytes()


def read_json(path: Path | str, kind: str, most: int = MOST_BYTES, *, edited: bool = False) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path or str
    kind : str
        Its content, for error messages.
    most : int
        Bytes.
    edited : bool
        Whether people may edit the file; an `EditedWarning` then says that they did.

    Raises
    ------
    InputError
        The file does not exist, is too large, is not JSON, or was changed or damaged after it was written.
    """
    path = Path(path)
    changed = edited and path.is_file() and not checksums.is_unchanged(path)
    data = path.read_bytes() if changed else read_bytes(path, kind, most)
    try:
        found = parse_json(data)
    except ValueError as error:
        hint = remedy(path, "the file is cut off or damaged; create it again")
        raise InputError(f"not a {kind}: {error}"[:300], str(path), hint) from error
    if changed:
        warnings.warn(f"{path} was edited after the run; used as edited", EditedWarning, stacklevel=3)
    return found


def parse_json(data: bytes | str) -> Any:
    """Parse JSON that anybody may have written.

    Raises
    ------
    ValueError
        It is not JSON, is nested too deeply, has a number with too many digits, or an object has a key twice.
    """
    try:
        return json.loads(data, object_pairs_hook=_object)
    except RecursionError as error:
        msg = "it is nested too deeply"
        raise ValueError(msg) from error


def folder_digest(folder: Path) -> bytes:
    """Return a digest of the contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.digest()


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with its content; nothing happens if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_free(folder: Path) -> bool:
    """Return whether ``folder`` does not exist or is empty."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


@contextlib.contextmanager
def atomic_folder(final: Path, marker: str) -> Iterator[Path]:
    """Yield a temporary folder that replaces ``final`` when the block ends without an exception.

    Parameters
    ----------
    final : Path
        An existing folder is replaced only if it is empty or contains the file ``marker``.
    marker : str
        Name of a file that identifies folders of this kind.

    Raises
    ------
    InputError
        ``final`` contains something else, or cannot be written.
    """
    require_in_place(final)
    if os.path.lexists(final) and not final.is_dir():
        raise InputError("it is a file and no folder", str(final), "choose another folder")
    if not is_free(final) and not (final / marker).is_file():
        raise InputError("the folder contains other files", str(final), "choose another folder")
    temporary, old = None, final.with_name(f".{final.name}.old")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}."))
        temporary.chmod(0o755)
        with unfinished(temporary):
            yield temporary
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
            final.rename(old)
        try:
            temporary.rename(final)
        except OSError:
            if old.exists():
                old.rename(final)
            raise
    except OSError as error:
        raise cannot_write(final, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _require_size(path: Path, kind: str, most: int) -> None:
    size = path.stat().st_size
    if size > most:
        raise InputError(f"not a {kind}: {size} bytes are too many", str(path), remedy(path, "create it again"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"an object has the key '{twice[:40]}' twice"
        raise ValueError(msg)
    return found
