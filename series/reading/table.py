"""Read a file into a table of named columns, as text or typed."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import mmap
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from ape.core.errors import InputError
from ape.series.reading.dialect import COMMENT, LINE_END, SAMPLE_BYTES, Dialect, find_dialect, find_encoding, split
from ape.series.reading.options import ReadOptions

TABLES = (".csv", ".tsv", ".tab", ".dat", ".parquet", ".pq", ".feather", ".arrow")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
MAGIC = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip",
}  # fmt: skip
ENCODING_NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with BOM", "cp1252": "Windows-1252"}
NO_CELL = "\x1f"  # separates nothing: no text contains it


@dataclass(frozen=True)
class Table:
    """Columns of a file or a frame.

    Parameters
    ----------
    columns : dict of ChunkedArray
        By name, in order. Text of CSV files, and typed values of other formats. A column without a name has the name
        ``""`` or, if there are several, ``#3``.
    format : str
        How the file is written, in words.
    first_row : int
        Number of the first row of values, as error messages count.
    separator : str or None
    notes : tuple of str
    named : bool
        Whether the source names the columns; otherwise the names only number them.
    """

    columns: dict[str, pa.ChunkedArray]
    format: str
    first_row: int = 0
    separator: str | None = None
    notes: tuple[str, ...] = ()
    named: bool = True


def is_text(cells: pa.ChunkedArray) -> bool:
    """Whether a column has text."""
    return pa.types.is_string(cells.type) or pa.types.is_null(cells.type)


def suffix_of(path: Path) -> str:
    """Return the suffix of a file without that of its compression, in lower case."""
    name = path.name.lower()
    for compressed in COMPRESSED:
        name = name.removesuffix(compressed)
    return Path(name).suffix


def read_table(path: Path, options: ReadOptions) -> Table:
    """Read a CSV, Parquet or Feather file.

    Raises
    ------
    InputError
        The file is not readable, or its rows have different numbers of cells.
    """
    if suffix_of(path) in (".parquet", ".pq", ".feather", ".arrow"):
        return _read_columnar(path)
    return _read_text_table(path, options)


def table_of_frame(frame: Any, where: str) -> Table:
    """Return the columns of a pandas frame, or of any frame with the Arrow or dataframe interchange protocol."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        if not hasattr(frame, "__arrow_c_stream__") and not hasattr(frame, "__dataframe__"):
            raise InputError(f"a {type(frame).__name__} is no data frame", where, "give a pandas or Polars frame")
        if hasattr(frame, "__arrow_c_stream__"):
            arrow = pa.table(frame)
        else:
            from pyarrow.interchange import from_dataframe

            arrow = from_dataframe(frame)
        pairs = [(name, _plain_type(arrow[k])) for k, name in enumerate(arrow.column_names)]
        return Table(_unique({}, pairs), "DataFrame")
    if not isinstance(frame.index, pd.RangeIndex) and (
        isinstance(frame.index, pd.DatetimeIndex | pd.MultiIndex | pd.TimedeltaIndex) or frame.index.name is not None
    ):
        names = [str(n) if n is not None else f"level {k}" for k, n in enumerate(frame.index.names)]
        frame = frame.reset_index(names=["timestamp"] if frame.index.names == [None] else names)
    pairs = [(str(name), _arrow_column(frame.iloc[:, k])) for k, name in enumerate(frame.columns)]
    return Table(_unique({}, pairs), "DataFrame", named=not isinstance(frame.columns, pd.RangeIndex))


def _arrow_column(column: Any) -> pa.ChunkedArray:
    if column.dtype == object:
        kinds = {type(value) for value in column.iloc[:1000]}
        if any(issubclass(kind, str) for kind in kinds):
            present = column.notna()
            return pa.chunked_array([pa.array(column.astype(str).where(present, None), pa.string())])
    try:
        array = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        present = column.notna()
        array = pa.array(column.astype(str).where(present, None), pa.string())
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _unique(columns: dict[str, pa.ChunkedArray], pairs: Sequence[tuple[str, pa.ChunkedArray]]) -> dict[str, Any]:
    """Name columns without a name, and number names that occur twice, as pandas does."""
    unnamed = sum(not name.strip() for name, _ in pairs) > 1
    for position, (given, column) in enumerate(pairs):
        name = base = given.strip() or (f"#{position + 1}" if unnamed and position else "")
        repeat = 0
        while name in columns:
            repeat += 1
            name = f"{base}.{repeat}"
        columns[name] = column
    return columns


def _read_columnar(path: Path) -> Table:
    import pyarrow.feather
    import pyarrow.parquet

    content: Any = path
    if path.suffix.lower() in COMPRESSED:
        content = pa.BufferReader(_decompressed(path.read_bytes(), path))
    kind = "Parquet" if suffix_of(path) in (".parquet", ".pq") else "Feather"
    try:
        table = (pyarrow.parquet if kind == "Parquet" else pyarrow.feather).read_table(content)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"not a readable {kind} file: {str(error)[:80]}", str(path), "write it again") from error
    metadata = table.schema.pandas_metadata or {}
    names = [n for n in table.column_names if not n.startswith("__index_level_")]
    index = [n for n in table.column_names if n.startswith("__index_level_")]
    if index:
        names = [*index, *names]
    elif metadata:
        own = [c for c in metadata.get("index_columns", []) if isinstance(c, str) and c in names]
        names = [*own, *(n for n in names if n not in own)]
    pairs = [
        (
            "timestamp"
            if n in index and pa.types.is_timestamp(table.schema.field(n).type)
            else ""
            if n in index
            else n,
            table[n],
        )
        for n in names
    ]
    plain = [(n, _plain_type(c)) for n, c in pairs]
    return Table(_unique({}, plain), kind)


def _plain_type(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode dictionaries, and unify the types of text."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = pc.cast(column, pa.string())
    return column


def _decompressed(content: bytes, path: Path) -> bytes:
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
        if kind == "zip":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                files = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
                if len(files) != 1:
                    raise InputError(f"the archive has {len(files)} files", str(path), "give an archive of one file")
                return archive.read(files[0])
    except (
        OSError,
        EOFError,
        lzma.LZMAError,
        zipfile.BadZipFile,
        ValueError,
        RuntimeError,
        pa.ArrowException,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"damaged {kind} file: {str(error)[:80]}", str(path), "compress it again") from error
    return content


def _read_text_table(path: Path, options: ReadOptions) -> Table:
    with path.open("rb") as file:
        head = file.read(8)
        compressed = any(head.startswith(magic) for magic in MAGIC)
        if compressed:
            content: Any = _decompressed(path.read_bytes(), path)
        else:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    encoding = find_encoding(content)
    notes: list[str] = []
    if encoding not in ("utf-8", "utf-8-sig"):
        content = _transcoded(bytes(content[:]), encoding, path)
        if encoding == "cp1252":
            notes.append("the file is not UTF-8 and is read as Windows-1252")
    mark = 3 if encoding == "utf-8-sig" else 0
    sample = content[mark : mark + SAMPLE_BYTES]
    if len(content) > mark + SAMPLE_BYTES:
        sample = sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1] or sample
    if b"\0" in sample:
        raise InputError("not a text file", str(path), "give a CSV, Parquet, Feather, NPZ or UCR text file")
    dialect = find_dialect(sample.decode("utf-8", errors="replace"), str(path), options.header, options.decimal)
    table = _fast(content, mark, dialect)
    if table is None:
        table, more = _slow(content[mark:].decode("utf-8", errors="replace"), dialect, str(path))
        notes += more
    table = table.slice(0, _filled_rows(table)) if dialect.separator is None else table
    if table.num_rows == 0:
        raise InputError("the file has a header and no rows", str(path), "give a file with values")
    cells = _split_first(table.column(0)) if dialect.split_first else table.columns
    columns = list(zip(dialect.names, cells, strict=True))
    empty = [k for k, (name, column) in enumerate(columns) if not name and k and _is_empty(column)]
    columns = [pair for k, pair in enumerate(columns) if k not in empty]
    if not dialect.header:
        columns = [(_default(k, len(columns)), column) for k, (_, column) in enumerate(columns)]
    name = ENCODING_NAMES.get(encoding, encoding.upper())
    return Table(
        _unique({}, columns),
        f"CSV, {name}, {dialect.describe()}" + (", compressed" if compressed else ""),
        dialect.skip + 1,
        dialect.separator,
        (*notes, *dialect.notes),
        dialect.header,
    )


def _default(position: int, count: int) -> str:
    return "value" if count == 1 else f"channel{position}"


def _transcoded(content: bytes, encoding: str, path: Path) -> bytes:
    try:
        return content.decode(encoding).encode()
    except UnicodeDecodeError as error:
        if encoding == "cp1252":
            return content.decode("latin-1").encode()
        raise InputError(
            f"not readable as {encoding.upper()}: {error}", str(path), "write the file as UTF-8"
        ) from error


def _fast(content: Any, mark: int, dialect: Dialect) -> pa.Table | None:
    """Read a regular table as text; None if it has comments, or rows with other numbers of cells."""
    if dialect.comments or dialect.separator == " ":
        return None
    one_cell = dialect.separator is None or dialect.split_first
    irregular: list[int] = []

    def on_row(row: Any) -> str:
        irregular.append(row.actual_columns)
        return "skip"

    names = ["0"] if one_cell else [str(k) for k in range(len(dialect.names))]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(content).slice(mark)),
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=dialect.skip),
            parse_options=pa_csv.ParseOptions(
                delimiter=NO_CELL if one_cell else dialect.separator,
                ignore_empty_lines=not one_cell,
                invalid_row_handler=on_row,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, OSError):
        return None
    return None if irregular else table


def _slow(text: str, dialect: Dialect, where: str) -> tuple[pa.Table, list[str]]:
    """Read a table with comments, quoted line ends, or short rows."""
    lines = LINE_END.split(text)
    while lines and not lines[-1]:
        lines.pop()
    lines = lines[dialect.skip :]
    width = len(dialect.names)
    notes: list[str] = []
    if dialect.separator is None or dialect.split_first:
        cells = [line.strip().strip('"') for line in lines if not (dialect.comments and COMMENT.match(line))]
        return pa.table({"0": pa.chunked_array([pa.array(cells, pa.string())])}), notes
    kept = [
        (k, line) for k, line in enumerate(lines) if line.strip() and not (dialect.comments and COMMENT.match(line))
    ]
    if len(kept) < len(lines) and dialect.comments:
        notes.append("comment lines within the table were left out")
    if dialect.separator == " ":
        rows = [(k, split(line, " ")) for k, line in kept]
    else:
        try:
            reader = csv.reader((f"{line}\n" for _, line in kept), delimiter=dialect.separator, skipinitialspace=True)
            rows = [(kept[min(reader.line_num, len(kept)) - 1][0], row) for row in reader]
        except csv.Error as error:
            raise InputError(f"not a readable CSV: {error}", where, "give one row a time step") from error
    short = 0
    for k, row in rows:
        while len(row) > width and not row[-1].strip():
            row.pop()
        if len(row) > width:
            raise InputError(
                f"{len(row)} cells for {width} columns: '{(dialect.separator or '').join(row)[:40]}'",
                f"{where}, line {k + dialect.skip + 1}",
                "fix the row",
            )
        short += len(row) < width
    if rows and len(rows[-1][1]) < width and Counter(len(row) for _, row in rows).most_common(1)[0][0] == width:
        short -= 1
        rows.pop()
        notes.append("the last row is cut off and was left out")
    if short:
        notes.append(f"{short} rows have fewer cells than columns: the cells at their end are missing values")
    columns = {str(j): [row[j] if j < len(row) else "" for _, row in rows] for j in range(width)}
    return pa.table({name: pa.chunked_array([pa.array(cells, pa.string())]) for name, cells in columns.items()}), notes


def _is_empty(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py())


def _filled_rows(table: pa.Table) -> int:
    """Return the number of rows without the blank lines at the end of the file."""
    filled = np.flatnonzero(pc.not_equal(pc.utf8_trim_whitespace(table.column(0)), "").to_numpy())
    return int(filled[-1]) + 1 if len(filled) else 0


def _split_first(lines: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    parts = pc.extract_regex(lines, r"^(?P<first>[^,]*),(?P<rest>.*)$")
    return [
        pa.chunked_array([pc.struct_field(chunk, name) for chunk in parts.chunks], pa.string())
        for name in ("first", "rest")
    ]
