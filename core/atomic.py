"""Replace a file by a temporary neighbour that is renamed, so that it is whole at any time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from ape.core.errors import InputError
from ape.core.limits import remedy
from ape.core.temporaries import unfinished


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically, in a folder that exists.

    Raises
    ------
    OSError
        The file cannot be written; ``path`` is as before.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with unfinished(Path(temporary)), os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def cannot_write(path: Path, error: OSError) -> InputError:
    """Return the error that says why ``path`` cannot be written."""
    return InputError(f"cannot write: {error.strerror}", str(path), remedy(error))
