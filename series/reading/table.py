"""A table of named columns, as text or typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NO_WIDTH = re.compile("[\u200b\u2060\ufeff]")  # invisible characters


@dataclass(frozen=True)
class Table:
    """Columns of a file or a frame.

    Parameters
    ----------
    columns : dict of ChunkedArray
        By name, in order. Text of CSV files, and typed values of other formats. Columns without a name have the name
        ``""`` if they are the first, or such as ``#3``.
    format : str
        How the file is written, in words.
    first_row : int
        Number of the first row of values, as error messages count.
    separator : str or None
    notes : tuple of str
    named : bool
        Whether the source names the columns; otherwise the names only number them.
    lines : ndarray, int64 [n], or None
        Number of each row in error messages; None if the rows follow ``first_row``.
    """

    columns: dict[str, pa.ChunkedArray]
    format: str
    first_row: int = 0
    separator: str | None = None
    notes: tuple[str, ...] = ()
    named: bool = True
    lines: np.ndarray | None = None

    def line(self, row: int) -> int:
        """Return the number of a row as error messages count."""
        return row + self.first_row if self.lines is None else int(self.lines[row])

    def take(self, rows: np.ndarray) -> Table:
        """Return some rows."""
        columns = {name: cells.take(pa.array(rows)) for name, cells in self.columns.items()}
        lines = rows + self.first_row if self.lines is None else self.lines[rows]
        return replace(self, columns=columns, lines=lines)


def is_text(cells: pa.ChunkedArray) -> bool:
    """Whether a column has text."""
    return pa.types.is_string(cells.type)


def is_nested(cells: pa.ChunkedArray) -> bool:
    """Whether the cells of a column are lists, structures or bytes."""
    return pa.types.is_nested(cells.type) or pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type)


def unique_names(pairs: Sequence[tuple[str, pa.ChunkedArray]]) -> dict[str, pa.ChunkedArray]:
    """Return columns by name: those without a name get one, and names that occur twice are numbered, as in pandas."""
    columns: dict[str, pa.ChunkedArray] = {}
    for position, (given, column) in enumerate(pairs):
        name = base = NO_WIDTH.sub("", given).strip() or (f"#{position + 1}" if position else "")
        repeat = 0
        while name in columns:
            repeat += 1
            name = f"{base}.{repeat}"
        columns[name] = column
    return columns


def plain_types(columns: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
    """Decode dictionaries, turn text of all types and columns of nulls into strings, and widen half precision."""
    plain = []
    for column in columns:
        if pa.types.is_dictionary(column.type):
            column = _decoded(column)
        if any(
            is_kind(column.type) for is_kind in (pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
        ):
            column = pc.cast(column, pa.string())
        elif pa.types.is_float16(column.type):  # numpy's overflows in comparisons
            column = pc.cast(column, pa.float32())
        plain.append(column)
    return plain


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of codes as the values that they stand for."""
    kind = column.type.value_type
    if pa.types.is_string_view(kind):  # Arrow cannot decode it
        kind = pa.string()
    decoded = [part.dictionary.cast(kind).take(part.indices) for part in column.chunks]
    return pa.chunked_array(decoded, kind)
