"""The times of the rows of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

DAY = 86_400
EVEN = 0.1  # of a step: how far a step of an even grid may be from the median


@dataclass(frozen=True)
class Times:
    """The times of the rows of a table, in the order of the file.

    Parameters
    ----------
    stamps : ndarray, datetime64 [n], or timedelta64 [n] for elapsed times
        UTC if the zone is known, otherwise the clock of the file. In ns, or in us if a date is outside 1678 to 2261.
    format : str
        The format in words.
    zone : str or None
        Zone as it is shown: ``+01:00``, ``UTC``, ``Europe/Berlin``.
    clock_offset : ndarray, int32 [n], or None
        Seconds that the clock of the file is ahead of ``stamps``.
    notes : tuple of str
    """

    stamps: np.ndarray
    format: str
    zone: str | None = None
    clock_offset: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> Times:
        """Return the times of some rows."""
        offsets = None if self.clock_offset is None else self.clock_offset[rows]
        return replace(self, stamps=self.stamps[rows], clock_offset=offsets)


class Unreadable(ValueError):
    """A cell is no time; ``row`` is its position."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def even_share(stamps: np.ndarray) -> float:
    """Return the share of steps near the median step; rows of the same time, as in long tables, are no steps."""
    steps = np.diff(stamps.astype(np.int64))
    steps = steps[steps != 0]
    if len(steps) == 0:
        return 0.0
    usual = np.median(steps)
    share = float(np.mean(np.abs(steps - usual) <= EVEN * abs(usual)))
    return share if usual > 0 else share - 1e-6


def dates_of(years: np.ndarray, months: np.ndarray, days: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Return the days, and the row of the first date that does not exist."""
    wrong = (months < 1) | (months > 12) | (days < 1) | (days > 31) | (years < 1) | (years > 9999)
    safe = np.where(wrong, 1, months)
    month = ((years - 1970) * 12 + safe - 1).astype("datetime64[M]")
    dates = month.astype("datetime64[D]") + (days - 1)
    wrong |= dates.astype("datetime64[M]") != month
    return dates, int(np.flatnonzero(wrong)[0]) if wrong.any() else None


def full_years(years: np.ndarray) -> np.ndarray:
    """Return years of two digits as those from 1969 to 2068."""
    return np.where(years < 69, years + 2000, years + 1900)


def first_mondays(years: np.ndarray) -> np.ndarray:
    """Return the first day of the first ISO week of years, datetime64[D]."""
    fourth = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3  # 4 January is in the first week
    return fourth - (fourth.astype(np.int64) + 3) % 7


def joined(dates: np.ndarray, seconds: np.ndarray, nanoseconds: np.ndarray) -> np.ndarray:
    """Return dates with a time of day."""
    whole = resolved(dates.astype("datetime64[s]") + seconds)
    return whole + (nanoseconds if whole.dtype == "datetime64[ns]" else nanoseconds // 1000)


def resolved(stamps: np.ndarray) -> np.ndarray:
    """Return stamps as datetime64[ns], or as datetime64[us] if a date is outside 1678 to 2261."""
    years = stamps.astype("datetime64[Y]").astype(int) + 1970
    return stamps.astype("datetime64[ns]" if years.min() >= 1678 and years.max() <= 2261 else "datetime64[us]")
