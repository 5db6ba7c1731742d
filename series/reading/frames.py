"""Read data frames as tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.table import Table, plain_types, unique_names


def table_of_frame(frame: Any, where: str) -> Table:
    """Return the columns of a pandas frame, or of any frame with the Arrow or dataframe interchange protocol.

    The index of a pandas frame comes first, unless it only numbers the rows.

    Raises
    ------
    InputError
        It is no frame, or has no rows.
    """
    if isinstance(frame, pd.Series):
        frame = frame.to_frame()
    if isinstance(frame, pd.DataFrame):
        pairs = _pandas_columns(frame)
    else:
        arrow = _arrow_table(frame, where)
        pairs = list(zip(arrow.column_names, plain_types(arrow.columns), strict=True))
    if pairs and len(pairs[0][1]) == 0:
        raise InputError("the frame has no rows", where, "give a frame with values")
    numbered = isinstance(frame, pd.DataFrame) and isinstance(frame.columns, pd.RangeIndex)
    return Table(unique_names(pairs), "DataFrame", named=not numbered)


def _arrow_table(frame: Any, where: str) -> pa.Table:
    """Return a frame as an Arrow table."""
    from pyarrow.interchange import from_dataframe

    try:
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
        if hasattr(frame, "__dataframe__"):
            return from_dataframe(frame)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError) as error:
        what = f"a {type(frame).__name__} that cannot be turned into Arrow columns: {str(error)[:60]}"
        raise InputError(what, where, "give a pandas or Polars frame") from error
    raise InputError(f"a {type(frame).__name__} is no data frame", where, "give a pandas or Polars frame")


def _pandas_columns(frame: pd.DataFrame) -> list[tuple[str, pa.ChunkedArray]]:
    pairs = []
    if not isinstance(frame.index, pd.RangeIndex):
        levels = [frame.index.get_level_values(k) for k in range(frame.index.nlevels)]
        unnamed = [""] if len(levels) == 1 else [f"level {k}" for k in range(len(levels))]
        pairs = [
            (str(level.name) if level.name is not None else name, arrow_column(level.to_series()))
            for level, name in zip(levels, unnamed, strict=True)
        ]
    names = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    columns = [arrow_column(frame.iloc[:, k]) for k in range(frame.shape[1])]
    return [*pairs, *zip(names, columns, strict=True)]


def arrow_column(column: pd.Series) -> pa.ChunkedArray:
    """Return a column as Arrow; objects of several types become text."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.astype(column.dtype.subtype)
    text = column.dtype == object and any(isinstance(value, str) for value in column.iloc[:1000])
    try:
        array = None if text else pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        array = None
    if array is None:
        array = pa.array(column.astype(str).where(column.notna(), None), pa.string())
    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    return plain_types([chunked])[0]
