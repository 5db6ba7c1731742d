"""Read arrays as channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.channels import Columns
from ape.series.reading.numbers import EXACT
from ape.series.reading.options import ReadOptions
from ape.series.reading.table import Table, plain_types
from ape.series.reading.time_columns import find_times
from ape.series.reading.times import Times, Unreadable
from ape.series.reading.typed_times import has_times, read_typed


def columns_of_array(
    values: Any, channels: Sequence[str] | None, timestamps: Any, column: Sequence[str] | None, where: str
) -> Columns:
    """Return the columns of an array [T] or [T, C]; masked values are missing.

    Parameters
    ----------
    values : array_like [T] or [T, C]
    channels : sequence of str, optional
    timestamps : array_like [T], optional
        Dates, or what a column of times may have.
    column : sequence of str, optional
        Channels to use. By default all.
    where : str

    Raises
    ------
    InputError
        Values are no numbers, or the sizes do not fit.
    """
    masked = isinstance(values, np.ma.MaskedArray)
    try:
        raw = np.asarray(values.astype(np.float64).filled(np.nan) if masked else values)
    except ValueError as error:
        raise InputError("rows of different lengths", where, "give an array [T] or [T, C]") from error
    if raw.dtype.kind not in "fiub":
        kind = "a structured array" if raw.dtype.names else str(raw.dtype)
        raise InputError(f"values are not numbers but {kind}", where, "give an array of numbers, or a DataFrame")
    if raw.ndim not in (1, 2) or raw.size == 0:
        raise InputError(f"values have shape {raw.shape}", where, "give an array [T] or [T, C]")
    raw = raw.reshape(len(raw), -1)
    if channels is None:
        channels = ["value"] if raw.shape[1] == 1 else [f"channel{k}" for k in range(raw.shape[1])]
    names = [str(name) for name in channels]
    if len(names) != raw.shape[1]:
        raise InputError(f"{len(names)} channel names for {raw.shape[1]} channels", where, "name every channel")
    if len(set(names)) != len(names):
        raise InputError("two channels have the same name", where, "rename one of them")
    if column is not None:
        missing = [name for name in column if name not in names]
        if missing:
            raise InputError(f"no numeric column '{missing[0]}'", where, f"give one of {', '.join(names)}")
        raw, names = raw[:, [names.index(name) for name in column]], list(column)
    numbers = raw.astype(np.float64)
    exact = {}
    if raw.dtype.kind in "iu":
        large = [k for k in range(len(names)) if np.abs(numbers[:, k]).max() >= EXACT]
        exact = {names[k]: raw[:, k] for k in large}
    times, notes = (None, []) if timestamps is None else _times(timestamps, len(raw), where)
    return Columns(numbers, tuple(names), times, "timestamps", exact, notes=tuple(notes))


def _times(timestamps: Any, length: int, where: str) -> tuple[Times, list[str]]:
    """Return the times of dates, or of text and numbers as in a column ``timestamp``; and notes."""
    try:
        cells = plain_types([pa.chunked_array([pa.array(_of_known_type(timestamps), from_pandas=True)])])[0]
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError("timestamps are not dates", where, "give datetime64") from error
    if len(cells) != length:
        raise InputError(f"{len(cells)} timestamps for {length} points", where, "give one for each point")
    if not has_times(cells):
        column = {"timestamp": cells}
        times, _, notes = find_times(column, ReadOptions(), Table(column, "array"), where)
        if times is None:
            raise InputError(f"timestamps are not dates but {cells.type}", where, "give datetime64")
        return times, notes
    try:
        return read_typed(cells), []
    except Unreadable as error:
        raise InputError(f"point {error.row} has no timestamp", where, "give one for each point") from error


def _of_known_type(timestamps: Any) -> Any:
    """Return dates in a unit that Arrow knows, which are not minutes, hours, weeks, months and years; and text."""
    if not isinstance(timestamps, np.ndarray) or timestamps.dtype.kind not in "MS":
        return timestamps
    if timestamps.dtype.kind == "S":
        return np.char.decode(timestamps, "utf-8", "replace")
    unit = np.datetime_data(timestamps.dtype)[0]
    return timestamps if unit in ("s", "ms", "us", "ns") else timestamps.astype("datetime64[s]")
