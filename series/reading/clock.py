"""The time of day in cells: hours, minutes, seconds, AM and PM."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.number_cells import fields
from ape.series.reading.times import Unreadable

CLOCK = (
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,:](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.? ?[Mm]\.?)?(?: Uhr)?"
)


def required_fields(text: pa.ChunkedArray, pattern: str) -> dict[str, pa.ChunkedArray]:
    """Return the named groups of a pattern, which each cell must match."""
    found = fields(text, pattern)
    missing = pc.is_null(next(iter(found.values())))
    if pc.any(missing).as_py():
        raise Unreadable(int(np.flatnonzero(missing.to_numpy())[0]))
    return found


def integers(field: pa.ChunkedArray) -> np.ndarray:
    """Return the integers of a field, int64; zero where it is empty."""
    return pc.cast(pc.if_else(pc.equal(field, ""), "0", field), pa.int64()).to_numpy()


def nanoseconds(fraction: pa.ChunkedArray) -> np.ndarray:
    """Return the digits after the decimal mark of seconds as nanoseconds, int64."""
    return integers(pc.utf8_rpad(fraction, 9, "0"))


def clock_seconds(found: dict[str, pa.ChunkedArray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds of the day, and the nanoseconds of the second; int64 each.

    Raises
    ------
    Unreadable
        A time is after 24:00:00, or has minutes or seconds beyond 59 other than a leap second.
    """
    zeros = np.zeros(len(next(iter(found.values()))), np.int64)
    hours, minutes, seconds = (
        integers(found[name]) if name in found else zeros for name in ("hour", "minute", "second")
    )
    bad = (hours > 24) | (minutes > 59) | (seconds > 60) | ((hours == 24) & (minutes + seconds > 0))
    if "half" in found:
        half = pc.utf8_lower(found["half"])
        with_half = pc.not_equal(half, "").to_numpy()
        bad |= with_half & (hours > 12)
        hours = np.where(with_half, hours % 12 + 12 * pc.equal(half, "p").to_numpy(), hours)
    if bad.any():
        raise Unreadable(int(np.flatnonzero(bad)[0]))
    fraction = nanoseconds(found["fraction"]) if "fraction" in found else zeros
    return hours * 3600 + minutes * 60 + seconds, fraction
