"""Pack what only a resumed run and its trace need into one small file, and unpack it when it is asked for.

A batch packs its items when they are finished: otherwise ten thousand series would take tens of gigabytes.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from PIL import Image

from ape.core.checksums import forget, require_unchanged
from ape.core.errors import InputError
from ape.core.files import remove, write_bytes
from ape.core.run_files import ARTEFACTS, CHECKPOINTS, LEDGER, SPANS

PACKED = "packed.zip"
CONTENT = (SPANS, LEDGER, CHECKPOINTS, ARTEFACTS)
WIDTH = 640  # of pictures, in pixels
QUALITY = 20  # of WebP; lines and labels stay readable
MOST_BYTES = 2**28  # of an entry
DAMAGED = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, zlib.error, Image.DecompressionBombError)
PICTURE, REDUCED, ARRAY = ".png", ".png.webp", ".npy"


def pack(folder: Path) -> None:
    """Pack a run folder that no process uses.

    Pictures become smaller and lose detail. Arrays, such as the parts of an STL, are left out: nothing reads them, and
    the recorded call that measured each of them measures it again. What was not unpacked stays as it is.
    """
    paths = [path for name in CONTENT for path in _files(folder / name)]
    if not paths:
        return
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, data in _left(folder):
            archive.writestr(entry, data)
        for path in paths:
            name, data = path.relative_to(folder).as_posix(), path.read_bytes()
            if path.suffix == PICTURE:
                archive.writestr(name.removesuffix(PICTURE) + REDUCED, reduced(data), zipfile.ZIP_STORED)
            elif path.suffix != ARRAY:
                archive.writestr(name, data)
    write_bytes(folder / PACKED, out.getvalue())
    forget(folder / name for name in CONTENT)
    for name in CONTENT:
        remove(folder / name)


def unpack(folder: Path, *, pictures: bool = True) -> None:
    """Unpack a run folder; one that is not packed stays as it is.

    Without ``pictures``, they stay packed, which saves most of the time; packing again keeps them as they are.

    Raises
    ------
    InputError
        The file is damaged.
    """
    for entry, data in _left(folder):
        if pictures or not entry.filename.endswith(REDUCED):
            with _refused(folder / PACKED):
                unpacked = _as_png(data) if entry.filename.endswith(REDUCED) else data
            write_bytes(folder / entry.filename.removesuffix(".webp"), unpacked)
    path = folder / PACKED
    if pictures and path.exists():
        path.unlink()
        forget([path])


def _left(folder: Path) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Yield what is packed and not unpacked; after an interruption the files count, which are the originals."""
    path = folder / PACKED
    if not path.exists():
        return
    require_unchanged(path)
    with _refused(path), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _require_sane(entries)
        for entry in entries:
            if not (folder / entry.filename.removesuffix(".webp")).exists():
                yield entry, archive.read(entry)


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Refuse a file that turns out to be damaged."""
    try:
        yield
    except DAMAGED as error:
        raise InputError(f"damaged: {error}"[:300], str(path), "start a new run") from error


def _require_sane(entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse entries that `pack` does not write."""
    for entry in entries:
        if entry.filename.split("/")[0] not in CONTENT or ".." in entry.filename:
            raise zipfile.BadZipFile(f"unknown entry {entry.filename[:80]}")
        if entry.file_size > MOST_BYTES:
            raise zipfile.BadZipFile(f"{entry.filename[:80]} has {entry.file_size} bytes")


@lru_cache(maxsize=32)  # a report shows pictures that are packed just after it is written
def reduced(png: bytes) -> bytes:
    """Return a picture as a small WebP."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "webp", quality=QUALITY, method=5)
    return out.getvalue()


def _as_png(webp: bytes) -> bytes:
    out, picture = io.BytesIO(), Image.open(io.BytesIO(webp), formats=["webp"])
    if picture.width > WIDTH:
        raise zipfile.BadZipFile(f"a picture is {picture.width} pixels wide")
    picture.save(out, "png")
    return out.getvalue()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    return [path] if path.is_file() else []
