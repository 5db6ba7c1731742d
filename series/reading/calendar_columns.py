"""Times in columns of years, months, days and so on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.names import key_of
from ape.series.reading.times import Times, dates_of, joined

CALENDAR = ("year", "month", "day", "hour", "minute", "second")


def calendar_times(columns: Mapping[str, pa.ChunkedArray]) -> tuple[Times, list[str]] | None:
    """Return the times of columns ``year``, ``month``, ``day`` and so on, and the names of these columns."""
    names = {key_of(name): name for name in columns}
    parts = [part for part in CALENDAR if part in names]
    if not parts or parts != list(CALENDAR[: len(parts)]):
        return None
    try:
        fields = [pc.cast(columns[names[part]], pa.int64()).to_numpy() for part in parts]
    except (pa.ArrowInvalid, ValueError):
        return None
    first = np.ones(len(fields[0]), np.int64)  # of the month, and of the year
    dates, wrong = dates_of(*[*fields, first, first][:3])
    if wrong is not None or (len(fields) < 3 and (np.diff(dates) <= np.timedelta64(0, "D")).any()):
        return None
    seconds = sum((f * unit for f, unit in zip(fields[3:], (3600, 60, 1), strict=False)), np.zeros_like(first))
    return Times(joined(dates, seconds, np.zeros_like(first)), "calendar columns"), [names[part] for part in parts]
