"""Read files of any format into tables."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.series.reading.columnar_file import columnar_format, read_columnar
from ape.series.reading.compression import COMPRESSED, decompressed, is_compressed
from ape.series.reading.csv_file import read_csv
from ape.series.reading.foreign_formats import require_table_format
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table

COLUMNAR = (".parquet", ".pq", ".feather", ".arrow")
TABLES = (".csv", ".tsv", ".tab", ".dat", *COLUMNAR)
HEAD = 512  # bytes that identify the format


def suffix_of(path: Path) -> str:
    """Return the suffix of a file without that of its compression, in lower case; ``a.gz`` is taken as CSV."""
    name = path.name.lower()
    for compressed in COMPRESSED:
        name = name.removesuffix(compressed)
    suffix = Path(name).suffix
    return ".csv" if not suffix and name != path.name.lower() else suffix


def read_table(path: Path, options: ReadOptions) -> Table:
    """Read a CSV, Parquet or Feather file, compressed or not; its first bytes identify the format.

    Raises
    ------
    InputError
        The file is not readable, has another format, or a row has more cells than columns.
    """
    where = str(path)
    with path.open("rb") as file:
        content: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    compressed = is_compressed(content[:8])
    if compressed:
        content = decompressed(content[:], where)
    head = content[:HEAD]
    if kind := columnar_format(head):
        return read_columnar(content, kind, where)
    require_table_format(head, where)
    if suffix_of(path) in COLUMNAR:
        raise InputError(f"not a {suffix_of(path)} file", where, "write it again, or name it after its format")
    return read_csv(content, options, where, compressed)
