"""Read Parquet and Feather files, and streams of Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.frames import arrow_column
from ape.series.reading.table import Table, plain_types, unique_names

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
            table = pa.ipc.open_stream(source).read_all()
        else:
            table = (pyarrow.parquet if kind == "Parquet" else pyarrow.feather).read_table(source)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"a damaged {kind} file", where, "write it again") from error
    if table.num_rows == 0:
        raise InputError("the file has no rows", where, "give a file with values")
    index = [name for name in (table.schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)]
    names = [*index, *(name for name in table.column_names if name not in index)]
    shown = ["" if name.startswith("__index_level_") else name for name in names]
    columns = plain_types([_without_extension(table[name]) for name in names])
    return Table(unique_names(list(zip(shown, columns, strict=True))), kind)


def _without_extension(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of an extension type, such as the periods of pandas, as one of a plain type."""
    return arrow_column(column.to_pandas()) if isinstance(column.type, pa.BaseExtensionType) else column
