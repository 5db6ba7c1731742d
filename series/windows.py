"""Cut series into windows, and average window scores over points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ape.core.errors import InputError
from ape.series.series import Gap

STRIDE_ONE_UP_TO = 20_000  # points; longer series are scored with a larger stride by default
BATCH = 512  # starts

Segments = Sequence[tuple[int, int]]


def starts(segments: Segments, window: int, stride: int = 1) -> np.ndarray:
    """Return the start positions of the windows that fit into a segment. The last window of each ends at its end.

    Parameters
    ----------
    segments : sequence of (int, int)
        Begin and end (exclusive) of stretches without a gap, in order, as `Series.segments`.
    window, stride : int
        In samples.

    Returns
    -------
    ndarray, int64 [N]

    Raises
    ------
    InputError
        No segment is as long as a window.
    """
    cut = _Cut.of(segments, window, stride)
    return cut.starts(np.arange(cut.count))


def start_batches(
    segments: Segments, window: int, stride: int | None = None, size: int = BATCH
) -> Iterator[np.ndarray]:
    """Return the start positions of the windows used for scoring, in batches.

    Parameters
    ----------
    segments : sequence of (int, int)
        As for `starts`.
    window : int
        In samples.
    stride : int, optional
        Step between windows. By default 1 up to 20,000 points, and a sixteenth of the window for longer series.
    size : int
        Largest number of starts in a batch.

    Returns
    -------
    iterator of ndarray, int64 [size or fewer]

    Raises
    ------
    InputError
        No segment is as long as a window, or the stride would leave points without a score.
    """
    if stride is not None and not 1 <= stride <= window:
        raise InputError(f"a stride of {stride} for windows of {window}", "stride", f"give 1 to {window}")
    step = stride or (1 if count_points(segments) <= STRIDE_ONE_UP_TO else max(1, window // 16))
    cut = _Cut.of(segments, window, step)
    return (cut.starts(np.arange(first, min(first + size, cut.count))) for first in range(0, cut.count, size))


def spaced_starts(segments: Segments, window: int, most: int) -> np.ndarray:
    """Return every n-th of all starts, and the last: n is the smallest step that leaves about ``most``.

    Parameters and errors are those of `starts`.
    """
    cut = _Cut.of(segments, window, 1)
    last = cut.count - 1
    step = max(1, -(-last // most))
    return cut.starts(np.minimum(np.arange(0, last + step, step), last))


@dataclass(frozen=True)
class _Cut:
    """Windows cut from segments: every ``stride``-th start of each segment, and its last.

    ``begins``, ``lasts`` and ``counts``, int64 [S], are the first and last start in each segment and their number.
    """

    begins: np.ndarray
    lasts: np.ndarray
    counts: np.ndarray
    stride: int

    @classmethod
    def of(cls, segments: Segments, window: int, stride: int) -> _Cut:
        long = usable(segments, window)
        if not long:
            raise _too_short(segments, window)
        begins, ends = np.array(long, dtype=np.int64).T
        lasts = ends - window
        return cls(begins, lasts, -(-(lasts - begins) // stride) + 1, stride)

    @property
    def count(self) -> int:
        """Number of windows."""
        return int(self.counts.sum())

    def starts(self, numbers: np.ndarray) -> np.ndarray:
        """Return the starts of windows by their numbers, int64 [n], counted over all segments."""
        after = self.counts.cumsum()
        segment = np.searchsorted(after, numbers, side="right")
        inside = numbers - (after - self.counts)[segment]
        return np.minimum(self.begins[segment] + inside * self.stride, self.lasts[segment])


def _too_short(segments: Segments, window: int) -> InputError:
    most = max((end - begin for begin, end in segments), default=0)
    what = f"{most} points are fewer than a window of {window}"
    if len(segments) > 1:
        what = f"no stretch without a gap is as long as a window of {window}: the longest has {most} points"
    return InputError(what, "series", "give a longer series, or use a shorter window")


def usable(segments: Segments, window: int) -> list[tuple[int, int]]:
    """Return the segments that are as long as a window."""
    return [(begin, end) for begin, end in segments if end - begin >= window]


def split_starts(segments: Segments, window: int, late: int) -> tuple[np.ndarray, np.ndarray]:
    """Split all windows at the last ``late`` points of the segments that are as long as a window.

    Returns
    -------
    early, late : ndarray, int64
        Starts of the windows that end before these points, and of those that lie within them.
    """
    segments = usable(segments, window)
    every = starts(segments, window)
    first = points(segments)[-late]
    return every[every + window <= first], every[every >= first]


def longest_window(segments: Segments, count: int) -> int:
    """Return the largest window of which ``count`` lengths fit into the segments that are as long as a window."""
    lengths = np.sort([end - begin for begin, end in segments])[::-1]
    return int(np.minimum(lengths, lengths.cumsum() // count).max())


def count_points(segments: Segments) -> int:
    """Return the number of points of the segments."""
    return sum(end - begin for begin, end in segments)


def points(segments: Segments) -> np.ndarray:
    """Return the positions of all points of the segments, int64 [n]."""
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(begin, end) for begin, end in segments)])


def clip(segments: Segments, begin: int, end: int) -> list[tuple[int, int]]:
    """Return the parts of the segments that lie in ``[begin, end)``."""
    clipped = ((max(first, begin), min(last, end)) for first, last in segments)
    return [(first, last) for first, last in clipped if first < last]


def longest(segments: Segments) -> tuple[int, int]:
    """Return the longest segment, the first of several.

    Raises
    ------
    InputError
        There is no segment.
    """
    if not segments:
        raise InputError("no stretch without missing values", "series", "give a longer series")
    return max(segments, key=lambda segment: segment[1] - segment[0])


def steps_at(positions: np.ndarray, gaps: Sequence[Gap]) -> np.ndarray:
    """Return the sampling steps from the first point to each position, int64, with the missing rows of long gaps."""
    missing = np.cumsum([0, *(gap.missing for gap in gaps)])
    return positions + missing[np.searchsorted([gap.position for gap in gaps], positions, side="right")]


def joined(values: np.ndarray, segments: Segments) -> np.ndarray:
    """Return the values [T, ...] of all segments, one after another, [n, ...]."""
    return np.concatenate([values[begin:end] for begin, end in segments])


def sliding(values: np.ndarray, window: int) -> np.ndarray:
    """Return all windows as a view.

    Parameters
    ----------
    values : ndarray [T, C]

    Returns
    -------
    ndarray [T - window + 1, C, window]
        Read-only; shares memory with ``values``.
    """
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=0)


def overlap_mean(window_values: np.ndarray, window_starts: np.ndarray, length: int) -> np.ndarray:
    """Average, at each point, over all windows that cover it.

    Parameters
    ----------
    window_values : ndarray [N, L]
        One value for each point of each window.
    window_starts : ndarray, int64 [N]
        In increasing order.
    length : int
        Number of points T.

    Returns
    -------
    ndarray, float32 [T]
        NaN at points that no window covers.
    """
    return streamed_overlap_mean([(window_starts, window_values)], length)


def streamed_overlap_mean(batches: Iterable[tuple[np.ndarray, np.ndarray]], length: int) -> np.ndarray:
    """Average, at each point, over all windows that cover it, for windows that arrive in batches.

    Sums are kept only for points that later windows may still cover, so the working memory is that of one batch.

    Parameters
    ----------
    batches : iterable of (ndarray, int64 [N], ndarray [N, L] or [C, N, L])
        Starts in increasing order, and one value for each point of each window (and channel).
    length : int
        Number of points T.

    Returns
    -------
    ndarray, float32 [T] or [C, T]
        NaN at points that no window covers.
    """
    begin = 0
    for number, (starts_, values) in enumerate(batches):
        rows = [*values.reshape(-1, values.shape[-2] * values.shape[-1]), np.ones(values.shape[-2:]).ravel()]
        if number == 0:
            mean = np.full((len(rows) - 1, length), np.nan, np.float32)
            sums: np.ndarray = np.zeros((len(rows), 0))  # sums of values, and number of windows, from `begin` on
        done = int(starts_[0]) - begin
        _divide(sums[:, :done], mean[:, begin:])
        begin += done
        positions = (starts_[:, None] - begin + np.arange(values.shape[-1])).ravel()
        new_sums: np.ndarray = np.stack([np.bincount(positions, row) for row in rows])
        still_open = sums[:, done:]
        new_sums[:, : still_open.shape[1]] += still_open
        sums = new_sums
    _divide(sums, mean[:, begin:])
    return mean if values.ndim == 3 else mean[0]


def _divide(sums: np.ndarray, mean: np.ndarray) -> None:
    """Write the means of finished points, from sums and counts [C + 1, n], into the first n columns of ``mean``."""
    covered = sums[-1] > 0
    mean[:, : sums.shape[1]][:, covered] = sums[:-1, covered] / sums[-1, covered]
