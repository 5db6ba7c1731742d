"""Times of events as people write them."""

from __future__ import annotations

import numpy as np

from ape.series import Series


def span_text(series: Series, begin: int, end: int) -> str:
    """Return when a stretch of a series is: ``2026-03-07 13:20 to 14:04 (+01:00)``.

    Parameters
    ----------
    series : Series
    begin, end : int
        Points; ``end`` is exclusive. The text names the last point.

    Returns
    -------
    str
        The date of the end only if it is another one; seconds only if they are not zero; the zone once. Series without
        dates have times since the start, and series without times have positions, which are rows of the file from 0.
    """
    last = end - 1
    if series.elapsed is not None:
        first, final = series.time_text(begin), series.time_text(last)
        return f"{first} after the start" if begin == last else f"{first} to {final} after the start"
    clock = series.clock
    if clock is None:
        rows = series.point_rows
        first, final = str(rows[begin]), str(rows[last])
        return f"position {first}" if begin == last else f"positions {first} to {final}"
    first, final = _clock_texts(clock[[begin, last]], daily=_daily(clock))
    zones = [zone_text(series, point) for point in (begin, last)]
    if zones[0] != zones[1]:  # the clock was changed
        return f"{first} ({zones[0]}) to {final} ({zones[1]})"
    if final.startswith(day := first[:11]) and len(first) > len(day):
        final = final.removeprefix(day)
    zone = f" ({zones[0]})" if zones[0] else ""
    return f"{first}{zone}" if begin == last else f"{first} to {final}{zone}"


def zone_text(series: Series, point: int) -> str:
    """Return how the clock of the file differs from UTC: ``UTC``, ``+01:00``, or nothing if it is not known."""
    if series.zone is None or series.zone == "UTC" or series.clock_offset is None:
        return "UTC" if series.zone == "UTC" else ""
    minutes = int(series.clock_offset[point]) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _daily(clock: np.ndarray) -> bool:
    """Whether all times are midnight, so that only dates count."""
    return bool((clock == clock.astype("datetime64[D]")).all())


def _clock_texts(times: np.ndarray, daily: bool) -> list[str]:
    """Write times down to the coarsest unit that they all have."""
    if daily:
        return [str(time) for time in times.astype("datetime64[D]")]
    unit = next((unit for unit in ("m", "s", "ms") if (times == times.astype(f"datetime64[{unit}]")).all()), "us")
    return [str(time).replace("T", " ") for time in times.astype(f"datetime64[{unit}]")]
