"""Checksums of the files in a folder, in its ``checksums.json``: recorded as each file lands, verified when it is read.

A folder without the file, such as one of an earlier version, is read without verification. A file that the list does
not name is not verified either: it is written at the moment, or is not the program's.

The new checksum is recorded before the file is replaced, beside the one of the file that is there. So a process that is
killed in between leaves a file that fits one of the two.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ape.core.atomic import cannot_write, replace_file
from ape.core.errors import InputError
from ape.core.limits import remedy as remedy_of_system
from ape.core.run_files import remedy

CHECKSUMS = "checksums.json"

_changing = threading.Lock()


def keep_checksums(folder: Path) -> None:
    """Begin to keep checksums in a folder: of all files that `ape.core.files` writes into it from now on."""
    _write(folder, {})


def record(path: Path, data: bytes) -> None:
    """Record the checksum of what ``path`` will have; nothing happens in a folder without checksums."""
    with _list_of(path.parent) as checksums:
        if checksums is not None:
            checksums[path.name] = _unique([*_still_true(checksums, path), hashlib.sha256(data).hexdigest()])


def record_as_is(paths: Iterable[Path]) -> None:
    """Record the checksums of files as they are, such as a database that no process uses any longer."""
    for path in paths:
        with _list_of(path.parent) as checksums:
            if checksums is not None and path.is_file():
                checksums[path.name] = [_checksum(path)]


def forget(paths: Iterable[Path]) -> None:
    """Remove files from the lists of their folders: they will change, or are gone."""
    for path in paths:
        with _list_of(path.parent) as checksums:
            if checksums is not None:
                checksums.pop(path.name, None)


def is_unchanged(path: Path) -> bool:
    """Return whether a file is as it was written; true if that is not known."""
    expected = _expected(path)
    if not expected or _checksum(path) in expected:
        return True
    again = _expected(path)  # another process may have replaced the file since
    return again != expected and (not again or _checksum(path) in again)


def is_expected(path: Path) -> bool:
    """Return whether there is a file, a folder or a link at ``path``, or a file was written there and is missing."""
    return os.path.lexists(path) or bool(_expected(path))


def require_unchanged(path: Path) -> None:
    """Refuse a file that is there and is not as it was written.

    Raises
    ------
    InputError
        The file, or the list of checksums, was changed or damaged.
    """
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise InputError("it is no regular file", str(path), remedy(path))
    if not is_unchanged(path):
        what = "the file was changed or damaged after it was written"
        hint = f"{remedy(path)}; to read it as it is, delete {path.with_name(CHECKSUMS)}"
        raise InputError(what, str(path), hint)


def _expected(path: Path) -> list[str]:
    return (_read(path.parent) or {}).get(path.name, [])


def _still_true(checksums: dict[str, list[str]], path: Path) -> list[str]:
    """Return the recorded checksum of the file as it is; none if it is missing or has another one."""
    known = checksums.get(path.name, [])
    now = _checksum(path) if known and path.is_file() else None
    return [each for each in known if each == now]


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


@contextlib.contextmanager
def _list_of(folder: Path) -> Iterator[dict[str, list[str]] | None]:
    """Yield the list of a folder, and write it if it changes; None if the folder has none."""
    if not (folder / CHECKSUMS).exists():
        yield None
        return
    with _changing, _exclusive(folder):
        checksums = _read(folder)
        before = json.dumps(checksums)
        yield checksums
        if checksums is not None and json.dumps(checksums) != before:
            _write(folder, checksums)


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Let no other process change the list; some network shares cannot do that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(folder: Path) -> dict[str, list[str]] | None:
    """Return the checksums by name; None if the folder has no list."""
    path = folder / CHECKSUMS
    try:
        stored = json.loads(path.read_bytes())
        checksums: dict[str, list[str]] = stored["sha256"]
        if stored["of_this_list"] == _of_list(checksums):
            return checksums
    except FileNotFoundError:
        return None
    except OSError as error:
        if not path.is_dir():
            raise InputError(f"cannot read: {error.strerror}", str(path), remedy_of_system(error)) from error
    except (ValueError, RecursionError, LookupError, TypeError):
        pass
    raise InputError("the list of checksums is damaged", str(path), "delete it to read the files unverified")


def _write(folder: Path, checksums: dict[str, list[str]]) -> None:
    stored = {"sha256": checksums, "of_this_list": _of_list(checksums)}
    path = folder / CHECKSUMS
    try:
        replace_file(path, (json.dumps(stored, indent=1, sort_keys=True) + "\n").encode())
    except OSError as error:
        raise cannot_write(path, error) from error


def _of_list(checksums: Any) -> str:
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()
