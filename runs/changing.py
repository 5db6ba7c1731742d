"""Change a run folder: one process at a time, not once the folder is deleted, and with checksums of what grew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ape.core import checksums
from ape.core.atomic import cannot_write
from ape.core.errors import InputError
from ape.core.in_place import kept_in_place
from ape.core.locks import LOCK, locked
from ape.core.run_files import CHECKPOINTS, CONVERSATION, LEDGER, SPANS
from ape.core.temporaries import remove_leftovers

GROWING = (LEDGER, SPANS, CHECKPOINTS, CONVERSATION)  # files that are not written as a whole


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[bool]:
    """Hold a run folder while it is changed; yield whether no other part of this process changes it.

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
            yield first
        finally:
            if first:
                with contextlib.suppress(InputError):  # a full disk: they are read unverified
                    checksums.record_as_is(path for path in growing if not _is_merged_later(path))


@contextlib.contextmanager
def making(folder: Path) -> Iterator[None]:
    """Make a folder, and hold it while results are written into it; if nothing was written, it is removed again.

    Raises
    ------
    InputError
        Another process writes into the folder, it was deleted meanwhile, or it cannot be made.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder), kept_in_place(folder):
            try:
                yield
            finally:
                if [path.name for path in folder.glob("*")] == [LOCK]:
                    (folder / LOCK).unlink()
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        with contextlib.suppress(OSError):  # there is something in it
            for each in made:
                each.rmdir()


def _is_merged_later(path: Path) -> bool:
    """Whether a database has changes that another process, which is reading it, will write into its file."""
    log = path.with_name(f"{path.name}-wal")
    return log.is_file() and log.stat().st_size > 0
