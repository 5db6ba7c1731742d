"""Cutting series into windows, and putting window scores back onto points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ape.core.errors import InputError

EVERY_WINDOW = 20_000  # points up to which every window is scored


def starts(length: int, window: int, stride: int = 1) -> np.ndarray:
    """Start positions of windows over ``length`` points; the last one is flush with the end.

    Returns
    -------
    ndarray, int64 [N]
    """
    last = length - window
    if last < 0:
        msg = f"window of {window} samples does not fit into {length} points"
        raise ValueError(msg)
    return next(_batches(last, stride, last + 1))


def start_batches(length: int, window: int, stride: int | None = None, size: int = 512) -> Iterator[np.ndarray]:
    """Starts of the windows that a series is scored by, int64 [size] or fewer at a time.

    Parameters
    ----------
    length, window : int
        Samples.
    stride : int, optional
        Step between windows; default is 1 up to 20,000 points, a sixteenth of the window beyond.
    size : int

    Raises
    ------
    InputError
        The series is shorter than a window, or the stride would leave points without a score.
    """
    if length < window:
        raise InputError(f"{length} points are fewer than a window of {window}", "series", "score a longer series")
    if stride is not None and not 1 <= stride <= window:
        raise InputError(f"a stride of {stride} for windows of {window}", "stride", f"give 1 to {window}")
    step = stride or (1 if length <= EVERY_WINDOW else max(1, window // 16))
    return _batches(length - window, step, size)


def _batches(last: int, stride: int, size: int) -> Iterator[np.ndarray]:
    """Every ``stride``-th start, then ``last``, int64 [size] or fewer at a time."""
    count = -(-last // stride) + 1
    for begin in range(0, count, size):
        yield np.minimum(np.arange(begin, min(begin + size, count), dtype=np.int64) * stride, last)


def sliding(values: np.ndarray, window: int, stride: int = 1) -> np.ndarray:
    """View of every ``stride``-th window.

    Parameters
    ----------
    values : ndarray [T, C]

    Returns
    -------
    ndarray [N, C, window]
        A read-only view, without a copy.
    """
    return np.lib.stride_tricks.sliding_window_view(values, window, axis=0)[::stride]


def overlap_mean(window_values: np.ndarray, window_starts: np.ndarray, length: int) -> np.ndarray:
    """Mean, at each point, over all windows that cover it.

    Parameters
    ----------
    window_values : ndarray [N, L]
        One value a point of each window.
    window_starts : ndarray, int64 [N]
    length : int
        Points in the series, T.

    Returns
    -------
    ndarray, float32 [T]
        Points that no window covers take the value of the nearest covered one.
    """
    window = window_values.shape[1]
    positions = (window_starts[:, None] + np.arange(window)).ravel()
    total = np.bincount(positions, weights=window_values.astype(np.float64).ravel(), minlength=length)
    count = np.bincount(positions, minlength=length)
    covered = np.flatnonzero(count)
    mean = total[covered] / count[covered]
    return np.interp(np.arange(length), covered, mean).astype(np.float32)


def streamed_overlap_mean(batches: Iterable[tuple[np.ndarray, np.ndarray]], length: int) -> np.ndarray:
    """Mean, at each point, over all windows that cover it, of windows that come batch by batch.

    Only the points that later windows may still cover are kept at work: beside the result, memory is that of a batch.

    Parameters
    ----------
    batches : iterable of (ndarray, int64 [N], ndarray [N, L] or [C, N, L])
        Starts in rising order, and one value a point of each window, or one a channel; together they cover every point.
    length : int
        Points in the series, T.

    Returns
    -------
    ndarray, float32 [T] or [C, T]
    """
    begin = 0
    for number, (starts_, values) in enumerate(batches):
        rows = [*values.reshape(-1, values.shape[-2] * values.shape[-1]), np.ones(values.shape[-2:]).ravel()]
        if number == 0:
            mean = np.empty((len(rows) - 1, length), np.float32)
            sums: np.ndarray = np.zeros((len(rows), 0))  # of the values and of windows so far, from `begin` on
        done = int(starts_[0]) - begin
        mean[:, begin : begin + done] = sums[:-1, :done] / sums[-1, :done]
        begin += done
        positions = (starts_[:, None] - begin + np.arange(values.shape[-1])).ravel()
        more: np.ndarray = np.stack([np.bincount(positions, row) for row in rows])
        more[:, : sums.shape[1] - done] += sums[:, done:]
        sums = more
    mean[:, begin:] = sums[:-1] / sums[-1]
    return mean if values.ndim == 3 else mean[0]
