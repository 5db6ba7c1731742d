"""Change a run folder: one process at a time, not once the folder is deleted, and with checksums of what grew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ape.core import checksums
from ape.core.errors import InputError
from ape.core.in_place import kept_in_place
from ape.core.locks import locked
from ape.core.run_files import CHECKPOINTS, CONVERSATION, LEDGER, SPANS
from ape.core.temporaries import remove_leftovers

GROWING = (LEDGER, SPANS, CHECKPOINTS, CONVERSATION)  # files that are not written as a whole


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold a run folder while it is changed.

    The checksums of files that grow are verified at the begin and recorded at the end. After a kill they are not known:
    what the next process finds counts.

    Raises
    ------
    InputError
        Another process changes the folder, a file was damaged, or the folder was deleted meanwhile.
    """
    growing = [folder / name for name in GROWING]
    with locked(folder) as first, kept_in_place(folder):
        if first:
            for path in growing:
                checksums.require_unchanged(path)
            checksums.forget(growing)
            remove_leftovers(folder)
        try:
            yield
        finally:
            if first:
                with contextlib.suppress(InputError):  # a full disk: they are read unverified
                    checksums.record_as_is(path for path in growing if not _is_merged_later(path))


def _is_merged_later(path: Path) -> bool:
    """Whether a database has changes that another process, which is reading it, will write into its file."""
    log = path.with_name(f"{path.name}-wal")
    return log.is_file() and log.stat().st_size > 0
