"""The rows that a scorer keeps: missing values filled as in files, and dead channels found as soon as they can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ape.series import Requirements
from ape.series.series import LONGEST_GAP, runs
from ape.series.standstills import DEAD_FACTOR, FINE, SHORTEST_DEAD
from ape.watch.rows import Rows


class History:
    """Rows that are kept; the last ones may wait until it is known how to fill them.

    A run of up to `LONGEST_GAP` missing values is interpolated once the next value is there. In a longer one, the last
    value is held and the values count as missing, from its first row on.

    Parameters
    ----------
    usual : ndarray, float64 [C]
        Values that are held if a channel begins without any, data units.
    required : Requirements
        Says how long a channel may stand still.
    arrays : mapping, optional
        From `arrays`.

    Attributes
    ----------
    values : ndarray, float64 [n, C]
        Data units; filled, apart from the rows that wait.
    missing, dead : ndarray, bool [n, C]
        Values that are missing for long; those of channels that stand still for much longer than in training.
    time : ndarray, datetime64[ns] [n], or None
    gap : ndarray, bool [n]
        Whether rows are missing before this one.
    ready : int
        Rows that do not wait.
    """

    def __init__(
        self, usual: np.ndarray, required: Requirements, arrays: Mapping[str, np.ndarray] | None = None
    ) -> None:
        channels = len(usual)
        limits = [max(SHORTEST_DEAD, DEAD_FACTOR * longest + 1) for longest in required.standstills]
        self._limit = np.array(limits) if limits else np.full(channels, np.inf)
        self._fine = FINE * np.array(required.changes or [np.inf] * channels)
        self._offset = required.offset_of(channels)
        self.time: np.ndarray | None = None
        if arrays is not None:
            time = arrays["time"]
            self.time = time.view("datetime64[ns]") if len(time) else None
            self.values, self.gap = arrays["values"], arrays["gap"]
            self.missing, self.dead = arrays["missing"], arrays["dead"]
            self.ready, self._seen = (int(each) for each in arrays["ready"])
            self._last, self._run, self._still = arrays["last"], arrays["run"], arrays["still"]
            return
        self.values, self.gap = np.zeros((0, channels)), np.zeros(0, dtype=bool)
        self.missing = self.dead = np.zeros((0, channels), dtype=bool)
        self.ready = self._seen = 0  # `_seen` counts all rows that were ever ready
        self._last = usual  # known or held
        self._run = np.zeros(channels, dtype=np.int64)  # missing values up to the last row that is ready
        self._still = np.zeros(channels, dtype=np.int64)  # equal values up to there

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that has to be stored."""
        return {
            "values": self.values,
            "gap": self.gap,
            "time": np.zeros(0, np.int64) if self.time is None else self.time.view(np.int64),
            "missing": self.missing,
            "dead": self.dead,
            "ready": np.array([self.ready, self._seen]),
            "last": self._last,
            "run": self._run,
            "still": self._still,
        }

    def append(self, rows: Rows, last: bool = False) -> int:
        """Append rows, and return how many of those that are kept are ready; with ``last`` all are."""
        if len(rows):
            if rows.time is not None and (self.time is not None or len(self.values) == 0):
                time = rows.time.astype("datetime64[ns]")
                self.time = time if self.time is None else np.concatenate([self.time, time])
            else:
                self.time = None
            nothing = np.zeros(rows.values.shape, dtype=bool)
            self.values = np.concatenate([self.values, rows.values])
            self.gap = np.concatenate([self.gap, rows.gap])
            self.missing, self.dead = (np.concatenate([mask, nothing]) for mask in (self.missing, self.dead))
        self._fill(last)
        return self.ready

    def forget(self, count: int) -> None:
        """Forget the first rows."""
        self.values, self.gap = self.values[count:], self.gap[count:]
        self.missing, self.dead = self.missing[count:], self.dead[count:]
        self.time = None if self.time is None else self.time[count:]
        self.ready -= count

    def _fill(self, last: bool) -> None:
        """Fill the rows that wait, as far as it is known how."""
        begin = self.ready
        values, gap = self.values[begin:].copy(), self.gap[begin:]
        missing = np.zeros(values.shape, dtype=bool)
        stop, unknown = len(values), np.isnan(values)
        for channel in np.flatnonzero(unknown.any(axis=0)).tolist():
            stop = min(stop, self._fill_channel(values[:, channel], missing[:, channel], channel, gap, last))
        # A long run may go on in the rows that wait; an interpolated one is done, wherever the rows are cut.
        values[stop:][missing[stop:]] = np.nan
        self.values = np.concatenate([self.values[:begin], values])
        if stop == 0:
            return
        ready = slice(begin, begin + stop)
        self.missing[ready] = missing[:stop]
        self.dead[ready] = self._dead(values[:stop], missing[:stop], gap[:stop])
        self._run = _lengths(missing[:stop], self._run, gap[:stop])[-1]
        self._last = values[stop - 1].copy()
        self.ready, self._seen = begin + stop, self._seen + stop

    def _fill_channel(self, values: np.ndarray, missing: np.ndarray, channel: int, gap: np.ndarray, last: bool) -> int:
        """Fill the runs [n] of a channel in place, and return the row from which on nothing is known yet."""
        length = len(values)
        cuts = np.flatnonzero(gap)
        unknown = np.isnan(values)
        for begin, end in zip(*runs(unknown, cuts[cuts > 0].tolist()), strict=True):
            at_begin = bool(gap[begin]) or (begin == 0 and self._seen == 0)
            before = int(self._run[channel]) if begin == 0 and not at_begin else 0
            at_end = end < length and bool(gap[end])
            long = before > 0 or end - begin > LONGEST_GAP
            if end == length and not long and not last:
                return int(begin)
            at_end |= end == length
            held = self._last[channel] if begin == 0 else values[begin - 1]
            if long or (at_begin and at_end):
                values[begin:end], missing[begin:end] = held, True
                continue
            first = values[end] if at_begin else held
            second = first if at_end else values[end]
            values[begin:end] = first + (second - first) * np.arange(1, end - begin + 1) / (end - begin + 1)
        return length

    def _dead(self, values: np.ndarray, missing: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Return which values are of channels that stand still for too long by now, bool [n, C]."""
        single = (values - self._offset).astype(np.float32)
        before = np.concatenate([(self._last - self._offset).astype(np.float32)[None], single[:-1]])
        gone = np.concatenate([(self._run > 0)[None], missing[:-1]])
        equal = (single == before) & ~missing & ~gone & ~gap[:, None]
        if self._seen == 0:
            equal[0] = False
        still = _lengths(equal, self._still, np.zeros(len(values), dtype=bool))
        self._still = still[-1]
        return (still + 1 >= self._limit) & (np.spacing(np.abs(single)) < self._fine) & ~missing


def _lengths(mask: np.ndarray, before: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Return how many true values end at each row, int64 [n, C]; ``before`` [C] of them precede, if no cut is there."""
    at = np.arange(1, len(mask) + 1)[:, None]
    broken = np.maximum.accumulate(np.where(mask, 0, at), axis=0)
    begun = np.maximum.accumulate(np.where(cut[:, None] & mask, at - 1, 0), axis=0)
    since = np.maximum(broken, begun)
    first = (broken == 0) & (np.maximum.accumulate(cut)[:, None] == 0)
    return np.where(mask, at - since + np.where(first, before, 0), 0)
