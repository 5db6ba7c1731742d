"""The ``Series`` type: values, channel names, times, gaps, and the end of the training part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

LONGEST_GAP = 10  # samples; a longer gap cannot be interpolated reliably


def runs(mask: np.ndarray, cuts: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Return begins and ends (exclusive) of the runs of True in a mask [T], int64 each; no run spans a cut."""
    edges, at = np.flatnonzero(np.diff(mask, prepend=False, append=False)), np.asarray(cuts, dtype=np.int64)
    return np.union1d(edges[::2], at[mask[at]]), np.union1d(edges[1::2], at[mask[at - 1]])


@dataclass(frozen=True)
class Gap:
    """Missing rows that are too many to fill.

    Parameters
    ----------
    position : int
        First point after the gap.
    missing : int
        Number of missing rows; of usual steps if the times are irregular.
    seconds : float
        From the last point before the gap to the first after it.
    """

    position: int
    missing: int
    seconds: float


@dataclass(frozen=True)
class Reading:
    """How a file was read.

    Parameters
    ----------
    format : str
        Encoding, separator, header.
    times : str or None
        Column and format of the times; None without times.
    step : str or None
        Sampling step in words.
    left_out : tuple of str
        Columns that were left out, with the reason.
    """

    format: str
    times: str | None = None
    step: str | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Series:
    """A validated multichannel series, without labels.

    Parameters
    ----------
    values : ndarray, float32 [T, C]
        In data units minus ``offset``, finite.
    channels : tuple of str
        One name for each channel.
    train_end : int or None
        Points before it are the training part, assumed to be normal. None: the whole series is the training part.
    timestamps : ndarray, datetime64 [T], or None
        Strictly increasing, if the file has dates: UTC if the zone is known, otherwise the clock of the file. In ns, or
        in us if a date is outside 1678 to 2261.
    text : str or None
        Free-text description of the scenario.
    name : str
        For people and reports only; agents do not see it.
    notes : tuple of str
        What loading inferred or changed (filled gaps, dropped columns), for people.
    zone : str or None
        Zone of the clock of the file: ``UTC``, ``+01:00``, ``Europe/Berlin``.
    clock_offset : ndarray, int32 [T], or None
        Seconds that the clock of the file is ahead of ``timestamps``. None: zero.
    elapsed : ndarray, timedelta64[ns] [T], or None
        Strictly increasing times since a start without a date.
    step : float or None
        Seconds between points; None if unknown or irregular.
    gaps : tuple of Gap
        Long gaps, which no window should span. Short ones are filled. Where times are irregular: long pauses.
    missing : ndarray, bool [T, C], or None
        Values that are missing for longer than ``LONGEST_GAP`` in rows that exist, such as those of a sensor that
        delivered nothing: ``values`` holds the last known value there. None: no such value.
    dead : ndarray, bool [T, C], or None
        Which of the ``missing`` values exist, but in a channel that stands still for much longer than in training.
    point_of_row : ndarray, int64 [rows of the file], or None
        Point of each row of the file; None if they are the same. Points of no row were inserted.
    offset : ndarray, float64 [C], or None
        What was subtracted from channels whose level is too large for float32. None: zero.
    named : bool
        Whether the source names the channels. Otherwise the names only number them.
    counters : tuple of str
        Channels that are the increments of a counter.
    reading : Reading or None
        How the file was read.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    train_end: int | None = None
    timestamps: np.ndarray | None = None
    text: str | None = None
    name: str = "series"
    notes: tuple[str, ...] = ()
    zone: str | None = None
    clock_offset: np.ndarray | None = None
    elapsed: np.ndarray | None = None
    step: float | None = None
    gaps: tuple[Gap, ...] = ()
    missing: np.ndarray | None = None
    dead: np.ndarray | None = None
    point_of_row: np.ndarray | None = None
    offset: np.ndarray | None = None
    named: bool = True
    counters: tuple[str, ...] = ()
    reading: Reading | None = None

    @property
    def length(self) -> int:
        """Number of points T."""
        return self.values.shape[0]

    @property
    def n_channels(self) -> int:
        """Number of channels C."""
        return self.values.shape[1]

    @property
    def train(self) -> np.ndarray:
        """Training part, float32 [n, C]: the points before ``train_end``, or all points."""
        return self.values[: self.train_end]

    @property
    def exact(self) -> np.ndarray:
        """Values in data units, float64 [T, C]."""
        return self.exact_between(0, self.length)

    def exact_between(self, begin: int, end: int) -> np.ndarray:
        """Return the values of some points in data units, float64 [n, C]."""
        values = self.values[begin:end].astype(np.float64)
        return values if self.offset is None else values + self.offset

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Contiguous stretches, half-open: the series between its long gaps."""
        edges = [0, *(gap.position for gap in self.gaps), self.length]
        return tuple(pairwise(edges))

    @property
    def train_segments(self) -> tuple[tuple[int, int], ...]:
        """Contiguous stretches of the training part, half-open: between long gaps, with no value ``missing``.

        Only points in them are used to train and as references.
        """
        end = self.length if self.train_end is None else self.train_end
        usable: np.ndarray = np.ones(end, dtype=bool)
        if self.missing is not None:
            usable &= ~self.missing[:end].any(axis=1)
        begins, ends = runs(usable, [gap.position for gap in self.gaps if gap.position < end])
        return tuple(zip(begins.tolist(), ends.tolist(), strict=True))

    @property
    def absent(self) -> np.ndarray:
        """Values that the file lacks, bool [T, C]: the ``missing`` ones without those of dead channels."""
        if self.missing is None:
            return np.zeros(self.values.shape, dtype=bool)
        return self.missing if self.dead is None else self.missing & ~self.dead

    @property
    def row_points(self) -> np.ndarray:
        """Point of each row of the file, int64 [rows]."""
        return np.arange(self.length) if self.point_of_row is None else self.point_of_row

    @property
    def point_rows(self) -> np.ndarray:
        """Row of the file of each point, int64 [T]; an inserted point has that of the last point before it."""
        if self.point_of_row is None:
            return np.arange(self.length)
        rows = np.full(self.length, -1)
        rows[self.point_of_row[::-1]] = np.arange(len(self.point_of_row))[::-1]
        known = np.maximum.accumulate(np.where(rows >= 0, np.arange(self.length), 0))
        return rows[known]

    @property
    def inserted(self) -> np.ndarray:
        """Whether each point is a missing row that was filled, bool [T]."""
        inserted = np.zeros(self.length, dtype=bool)
        if self.point_of_row is not None:
            inserted[:] = True
            inserted[self.point_of_row] = False
        return inserted

    @property
    def clock(self) -> np.ndarray | None:
        """Times on the clock of the file, datetime64 [T]; None without dates."""
        if self.timestamps is None or self.clock_offset is None:
            return self.timestamps
        return self.timestamps + self.clock_offset.astype("timedelta64[s]")

    def time_text(self, position: int) -> str | None:
        """Return the time of a point as text with its zone; None if the series has no times."""
        if self.elapsed is not None:
            return str(self.elapsed[position].astype("timedelta64[ms]").item())
        clock = self.clock
        if clock is None:
            return None
        text = str(clock[position].astype("datetime64[us]").item())
        if self.zone is None or self.clock_offset is None:
            return text
        minutes = int(self.clock_offset[position]) // 60
        sign = "-" if minutes < 0 else "+"
        return f"{text}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"

    def until(self, end: int) -> Series:
        """Return the points before ``end``."""

        def cut(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[:end]

        rows, missing, dead = self.point_of_row, cut(self.missing), cut(self.dead)
        return replace(
            self,
            values=self.values[:end],
            timestamps=cut(self.timestamps),
            clock_offset=cut(self.clock_offset),
            elapsed=cut(self.elapsed),
            gaps=tuple(gap for gap in self.gaps if gap.position < end),
            missing=missing if missing is not None and missing.any() else None,
            dead=dead if dead is not None and dead.any() else None,
            point_of_row=None if rows is None else rows[rows < end],
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of values, channel names and ``train_end``, and of gaps, missing values and offsets if any."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values).tobytes())
        digest.update(repr((self.values.shape, self.channels, self.train_end)).encode())
        if self.gaps:
            digest.update(repr([(gap.position, gap.missing) for gap in self.gaps]).encode())
        if self.missing is not None:
            digest.update(np.packbits(self.missing).tobytes())
        if self.offset is not None:
            digest.update(self.offset.tobytes())
        return digest.hexdigest()
