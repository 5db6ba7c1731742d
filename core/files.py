"""Atomic writing of files and folders: write to a temporary neighbour, then rename it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.core.limits import remedy
from ape.core.temporaries import unfinished


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically. Parent folders are created.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with unfinished(Path(temporary)), os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise _cannot_write(path, error) from error


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8 atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, obj: Any) -> None:
    """Write ``obj`` as indented JSON atomically.

    Raises
    ------
    ValueError
        ``obj`` contains NaN or infinity.
    """
    write_text(path, json.dumps(obj, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str, kind: str) -> Any:
    """Read a JSON file. ``kind`` names its content in error messages.

    Raises
    ------
    InputError
        The file does not exist or is not JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such {kind}", str(path), "check the path")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        hint = "the file is cut off or damaged; create it again"
        raise InputError(f"not a {kind}: {error}", str(path), hint) from error


def folder_digest(folder: Path) -> bytes:
    """Return a digest of the contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.digest()


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
        raise _cannot_write(final, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _cannot_write(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write: {error.strerror}", str(path), remedy(error))
