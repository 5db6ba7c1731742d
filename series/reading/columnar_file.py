"""Read Parquet and Feather files, and streams of Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.frames import arrow_column
from ape.series.reading.limits import MOST_TIMES_IN_COLUMNS, require_content, require_number_of_columns
from ape.series.reading.table import Table, plain_types, unique_names

CELL = 8  # bytes
STREAM = "Arrow stream"
MAGIC = {b"PAR1": "Parquet", b"ARROW1": "Feather", b"FEA1": "Feather", b"\xff\xff\xff\xff": STREAM}


def columnar_format(head: bytes) -> str | None:
    """Return the format of a file by its first bytes; None if it is another one."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def read_columnar(content: Any, kind: str, where: str) -> Table:
    """Read a Parquet or Feather file, or a stream of Arrow; the index of a pandas frame comes first.

    Raises
    ------
    InputError
        The file is damaged or has no rows.
    """
    import pyarrow.feather
    import pyarrow.parquet

    try:
        source = pa.BufferReader(content)
        if kind == STREAM:
            table = _read_stream(source, len(content), where)
        else:
            _require_size(source, kind, len(content), where)
            table = (pyarrow.parquet if kind == "Parquet" else pyarrow.feather).read_table(source)
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise InputError(f"a damaged {kind} file", where, "write it again") from error
    if table.num_rows == 0:
        raise InputError("the file has no rows", where, "give a file with values")
    index = [name for name in (table.schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)]
    names = [*index, *(name for name in table.column_names if name not in index)]
    shown = ["" if name.startswith("__index_level_") else name for name in names]
    columns = plain_types([_without_extension(table[name]) for name in names])
    return Table(unique_names(list(zip(shown, columns, strict=True))), kind)


def _require_size(source: Any, kind: str, stored: int, where: str) -> None:
    """Refuse a file by what it declares: far more columns or rows than it can have."""
    import pyarrow.dataset
    import pyarrow.parquet

    if kind == "Parquet":
        found = pyarrow.parquet.read_metadata(source)
        rows, columns = found.num_rows, found.num_columns
    else:
        try:
            rows = pyarrow.dataset.IpcFileFormat().make_fragment(source).count_rows()
            columns = len(pa.ipc.open_file(source).schema)
        except pa.ArrowException:
            return  # the first version of Feather, which has no compression
    source.seek(0)
    require_number_of_columns(columns, where)
    require_content(rows * columns * CELL, stored, where, MOST_TIMES_IN_COLUMNS)


def _read_stream(source: Any, stored: int, where: str) -> pa.Table:
    """Read a stream of Arrow batch by batch."""
    reader, batches, size = pa.ipc.open_stream(source), [], 0
    require_number_of_columns(len(reader.schema), where)
    for batch in reader:
        batches.append(batch)
        size += batch.get_total_buffer_size()
        require_content(size, stored, where, MOST_TIMES_IN_COLUMNS)
    return pa.Table.from_batches(batches, reader.schema)


def _without_extension(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of an extension type, such as the periods of pandas, as one of a plain type."""
    return arrow_column(column.to_pandas()) if isinstance(column.type, pa.BaseExtensionType) else column
