"""Time zones: offsets and abbreviations in cells, and zones such as Europe/Berlin."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ape.core.errors import InputError
from ape.series.reading.times import Times, resolved

# Minutes east of Greenwich. The American ones are those of RFC 5322.
ABBREVIATIONS = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 60, "CET": 60, "MEZ": 60, "CEST": 120, "MESZ": 120, "EET": 120,
    "EEST": 180, "MSK": 180, "BST": 60, "HKT": 480, "SGT": 480, "AWST": 480, "JST": 540, "KST": 540, "ACST": 570,
    "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780, "EST": -300, "EDT": -240, "CST": -360,
    "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
}  # fmt: skip
# Of these, those that other countries use too, and the abbreviation of the same clock that distinguishes them.
SHARED = {"CST": "CDT", "BST": "GMT"}
OFFSET = re.compile(r"^(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?$")


def is_zone(cell: str) -> bool:
    """Whether a cell contains only a time zone."""
    return cell in ABBREVIATIONS or OFFSET.match(cell) is not None or ("/" in cell and is_region(cell))


def is_region(name: str) -> bool:
    """Whether a name is that of a zone such as Europe/Berlin."""
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def zone_offsets(cells: pa.ChunkedArray, timezone: str | None, where: str) -> tuple[str, np.ndarray]:
    """Return the zones of times in words, and the seconds that the clock of each is ahead of UTC, int32.

    Parameters
    ----------
    cells : ChunkedArray of string
        The zone of each time: ``Z``, ``+01:00``, ``UTC+1``, ``CET``.
    timezone : str, optional
        ``--timezone``, which tells what an abbreviation means.
    where : str

    Raises
    ------
    InputError
        Some times have no zone, or a zone has several meanings.
    """
    coded = pc.dictionary_encode(cells).combine_chunks()
    zones = [zone.strip() for zone in coded.dictionary.to_pylist()]
    if "" in zones:
        raise InputError("some times have a zone and some have none", where, "write all times in one way")
    minutes = [_minutes(zone, zones, timezone, where) for zone in zones]
    offsets = np.array(minutes, dtype=np.int32)[coded.indices.to_numpy()] * 60
    return " and ".join(map(_offset_name, sorted(set(minutes)))), offsets


def _minutes(zone: str, zones: list[str], timezone: str | None, where: str) -> int:
    """Return the minutes of a zone east of Greenwich; ``zones`` are all of the column."""
    if match := OFFSET.match(zone):
        size = int(match[2]) * 60 + int(match[3] or 0)
        return -size if match[1] == "-" else size
    known = ABBREVIATIONS | _abbreviations(timezone) if timezone and is_region(timezone) else ABBREVIATIONS
    zone = zone.upper()
    if zone not in known or (timezone is None and zone in SHARED and SHARED[zone] not in zones):
        raise InputError(
            f"the time zone '{zone}' has several meanings",
            where,
            "say which with --timezone, such as America/Chicago, or write offsets such as +01:00",
        )
    return known[zone]


def _abbreviations(timezone: str) -> dict[str, int]:
    """Return what the abbreviations of a zone mean in winter and summer, in minutes."""
    zone = zoneinfo.ZoneInfo(timezone)
    moments = [datetime(2024, month, 1, tzinfo=zone) for month in (1, 7)]
    return {str(each.tzname()): int(each.utcoffset().total_seconds()) // 60 for each in moments}  # type: ignore[union-attr]


def _offset_name(minutes: int) -> str:
    if minutes == 0:
        return "UTC"
    return f"{'+' if minutes > 0 else '-'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def in_zone(times: Times, zone: str, where: str) -> Times:
    """Turn times on the clock of a zone into UTC; the hour that autumn repeats is resolved by the order of the rows.

    Raises
    ------
    InputError
        A time does not exist in the zone, as in the hour that spring leaves out.
    """
    clock = pd.DatetimeIndex(times.stamps)
    notes = times.notes
    try:
        repeated = np.asarray(clock.tz_localize(zone, ambiguous="NaT").isna())
        summer, note = _summer_time(times.stamps, repeated)
        aware = clock.tz_localize(zone, ambiguous=summer)
        notes = (*notes, note) if note else notes
    except ValueError as error:
        first = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?", str(error))
        raise InputError(
            f"the time {first[0] if first else ''} does not exist in {zone}",
            where,
            "give a zone without summer time to --timezone, such as Etc/GMT-1 for +01:00",
        ) from error
    stamps = resolved(aware.tz_convert("UTC").tz_localize(None).to_numpy())
    offsets = (times.stamps - stamps) // np.timedelta64(1, "s")
    return replace(times, stamps=stamps, zone=zone, clock_offset=offsets.astype(np.int32), notes=notes)


def _summer_time(stamps: np.ndarray, repeated: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Return which times are in summer time, bool [n], and a note on what the order of the rows does not tell.

    Parameters
    ----------
    stamps : ndarray, datetime64 [n]
        On the clock of the zone, in any order; series of a long table follow or alternate with one another.
    repeated : ndarray, bool [n]
        Times in an hour that autumn repeats.
    """
    steps = np.diff(stamps.astype(np.int64))
    if _falls(steps):
        summer, note = _summer_time(stamps[::-1], repeated[::-1])
        return summer[::-1], note
    summer, note = np.ones(len(stamps), bool), None
    together = round(len(stamps) / (1 + np.count_nonzero(steps)))  # rows of the same time that follow one another
    edges = np.flatnonzero(np.diff(np.concatenate([[False], repeated, [False]])))
    for begin, end in edges.reshape(-1, 2):
        back = np.flatnonzero(steps[begin : end - 1] < 0)
        if len(back) == 1:
            summer[begin + back[0] + 1 : end] = False
        elif not len(back) and not steps[begin : end - 1].any() and end - begin == 2 * together:
            summer[begin + together : end] = False
        elif len(back) or (end - begin) % together:
            note = "the order of the rows does not tell the hours that autumn repeats: they are read as summer time"
        else:
            note = note or "the hour that autumn repeats occurs once and is read as summer time"
    return summer, note


def _falls(steps: np.ndarray) -> bool:
    """Whether rows are newest first."""
    moving = steps[steps != 0]
    return len(moving) > 0 and float(np.median(moving)) < 0
