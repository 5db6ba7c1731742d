"""Times that are split over several columns: date and time of day; year, month and day; time and zone."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ape.series.reading.names import HOURS, TIMES, TIMES_OF_DAY, ZONES, key_of
from ape.series.reading.table import is_text
from ape.series.reading.time_cells import looks_like_date, looks_like_time_of_day
from ape.series.reading.time_zones import is_zone
from ape.series.reading.times import Times, dates_of, joined

CALENDAR = ("year", "month", "day", "hour", "minute", "second")
SAMPLE = 50  # cells


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


def date_and_clock(columns: Mapping[str, pa.ChunkedArray]) -> tuple[str, str] | None:
    """Return the names of a column of dates and a column of times of day or of hours."""
    dates, clocks = [], []
    for name, cells in columns.items():
        if pa.types.is_date(cells.type):
            dates.append(name)
        elif pa.types.is_time(cells.type):
            clocks.append(name)
        elif sample := _sample(cells):
            if all(map(looks_like_date, sample)) and (key_of(name) in TIMES or not sample[0].isdigit()):
                dates.append(name)
            elif all(map(looks_like_time_of_day, sample)) or _are_compact_clocks(name, sample):
                clocks.append(name)
    return (dates[0], clocks[0]) if dates and clocks else None


def _sample(cells: pa.ChunkedArray) -> list[str]:
    if not is_text(cells) and not pa.types.is_integer(cells.type):
        return []
    return [cell.strip() for cell in pc.cast(cells.slice(0, SAMPLE), pa.string()).to_pylist() if cell and cell.strip()]


def _are_compact_clocks(name: str, sample: list[str]) -> bool:
    """Whether a column has hours, or times such as 500 (00:05:00)."""
    if not all(re.fullmatch(r"\d{1,6}", cell) for cell in sample):
        return False
    largest = max(map(int, sample))
    return (key_of(name) in TIMES_OF_DAY and largest < 240_000) or (key_of(name) in HOURS and largest <= 24)


def join_date_and_clock(dates: pa.ChunkedArray, clocks: pa.ChunkedArray, clock_name: str) -> pa.ChunkedArray:
    """Return dates and times of day as one text."""
    clock = pc.utf8_trim_whitespace(pc.cast(clocks, pa.string()))
    compact = pc.match_substring_regex(clock, r"^\d{1,6}$")
    if key_of(clock_name) in HOURS:
        written = pc.binary_join_element_wise(clock, "00", ":")
    else:
        written = pc.replace_substring_regex(pc.utf8_lpad(clock, 6, "0"), r"^(\d\d)(\d\d)(\d\d)$", r"\1:\2:\3")
    clock = pc.if_else(compact, written, clock)
    return pc.binary_join_element_wise(pc.utf8_trim_whitespace(pc.cast(dates, pa.string())), clock, " ")


def zone_column(columns: Mapping[str, pa.ChunkedArray]) -> str | None:
    """Return the name of a column with the zones of the times."""
    for name, cells in columns.items():
        if key_of(name) in ZONES and is_text(cells) and all(map(is_zone, _sample(cells) or ["?"])):
            return name
    return None
