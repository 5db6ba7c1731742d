"""Writing files and folders whole or not at all: to a temporary neighbour first, then one rename."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ape.core.errors import InputError


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically, creating parent folders."""
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise InputError(f"cannot write: {error.strerror}", str(path), "free space or choose another folder") from error


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, obj: Any) -> None:
    """Write ``obj`` as indented JSON atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(obj, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str, kind: str) -> Any:
    """Read a JSON file that should hold ``kind`` (a word for the error line)."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no such {kind}", str(path), "check the path")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"not a {kind}: {error}", str(path), "the file is cut off or damaged; make it anew") from error


def is_free(folder: Path) -> bool:
    """Whether nothing is there, or a folder without anything in it."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


@contextlib.contextmanager
def atomic_folder(final: Path, mark: str) -> Iterator[Path]:
    """Give a temporary folder to write into, which takes the place of ``final`` once the block has ended well.

    Parameters
    ----------
    final : Path
        Replaced if it is there and holds the file ``mark``; anything else there is refused, unless it is empty.
    mark : str
        Name of a file by which folders of this kind are known.
    """
    if not is_free(final) and not (final / mark).is_file():
        raise InputError("the folder holds something else", str(final), "choose another folder")
    temporary, old = None, final.with_name(f".{final.name}.old")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}."))
        temporary.chmod(0o755)
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
        raise InputError(
            f"cannot write: {error.strerror}", str(final), "free space or choose another folder"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
