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

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
MAGIC = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip",
}  # fmt: skip


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
    try:
        if kind == "gzip":
            return gzip.decompress(content)
        if kind == "bzip2":
            return bz2.decompress(content)
        if kind == "xz":
            return lzma.decompress(content)
        if kind == "zstd":
            return pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
        return _only_member(content, where) if kind == "zip" else content
    except (OSError, EOFError, ValueError, RuntimeError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a damaged {kind} file: {str(error)[:80]}", where, "compress it again") from error


def _only_member(content: bytes, where: str) -> bytes:
    """Return the one file of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if "[Content_Types].xml" in names:
            raise InputError("an Excel workbook", where, "save it as CSV")
        files = [name for name in names if not name.endswith("/") and "__MACOSX" not in name]
        if len(files) != 1:
            raise InputError(f"the archive has {len(files)} files", where, "give an archive of one file")
        return archive.read(files[0])
