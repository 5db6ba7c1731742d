"""Read columns of timestamps, dates and durations."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.times import Times, Unreadable, resolved

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def has_times(cells: pa.ChunkedArray) -> bool:
    """Whether the type of a column is one of times."""
    return any(is_kind(cells.type) for is_kind in (pa.types.is_timestamp, pa.types.is_date, pa.types.is_duration))


def read_typed(cells: pa.ChunkedArray) -> Times:
    """Return the times of a column of timestamps, dates or durations.

    Raises
    ------
    Unreadable
        A time is missing.
    """
    if cells.null_count:
        raise Unreadable(int(np.flatnonzero(pc.is_null(cells).to_numpy())[0]))
    if pa.types.is_date(cells.type):
        cells = pc.cast(cells, pa.timestamp("us"))
    unit = cells.type.unit
    numbers = pc.cast(cells, pa.int64()).to_numpy()
    if pa.types.is_duration(cells.type):
        return Times(numbers.astype(f"timedelta64[{unit}]").astype("timedelta64[ns]"), "elapsed")
    stamps = resolved(numbers.astype(f"datetime64[{unit}]"))
    zone = cells.type.tz
    if zone is None:
        return Times(stamps, "typed")
    clock = pc.cast(pc.local_timestamp(cells), pa.int64()).to_numpy()
    return Times(stamps, "typed", zone, ((clock - numbers) // PER_SECOND[unit]).astype(np.int32))
