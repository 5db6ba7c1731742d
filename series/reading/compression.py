"""Decompress files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib

import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.limits import read_bounded, require_content

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
MAGIC = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip",
}  # fmt: skip

DAMAGED = (
    OSError, EOFError, ValueError, RuntimeError, MemoryError, lzma.LZMAError, zlib.error, zipfile.BadZipFile
)  # fmt: skip


def is_compressed(head: bytes) -> bool:
    """Whether a file begins like a compressed one."""
    return any(head.startswith(magic) for magic in MAGIC)


def decompressed(content: bytes, where: str) -> bytes:
    """Return the content of a compressed file; other content is returned unchanged.

    Raises
    ------
    InputError
        The file is damaged, or an archive of several files.
    """
    kind = next((name for magic, name in MAGIC.items() if content.startswith(magic)), None)
    source = io.BytesIO(content)
    try:
        if kind == "gzip":
            return read_bounded(gzip.GzipFile(fileobj=source), source, where)
        if kind == "bzip2":
            return read_bounded(bz2.BZ2File(source), source, where)
        if kind == "xz":
            return read_bounded(lzma.LZMAFile(source), source, where)
        if kind == "zstd":
            return read_bounded(pa.CompressedInputStream(source, "zstd"), source, where)
        return _only_member(source, where) if kind == "zip" else content
    except DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a damaged {kind} file: {str(error)[:80]}", where, "compress it again") from error


def _only_member(source: io.BytesIO, where: str) -> bytes:
    """Return the one file of an archive."""
    with zipfile.ZipFile(source) as archive:
        names = archive.namelist()
        if "[Content_Types].xml" in names:
            raise InputError("an Excel workbook", where, "save it as CSV")
        files = [name for name in names if not name.endswith("/") and "__MACOSX" not in name]
        if len(files) != 1:
            raise InputError(f"the archive has {len(files)} files", where, "give an archive of one file")
        require_content(archive.getinfo(files[0]).file_size, len(source.getbuffer()), where)
        with archive.open(files[0]) as file:
            return read_bounded(file, source, where)
