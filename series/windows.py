"""Cut series into windows, and average window scores over points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ape.core.errors import InputError

STRIDE_ONE_UP_TO = 20_000  # points; longer series are scored with a larger stride by default


def starts(length: int, window: int, stride: int = 1) -> np.ndarray:
    """Return the start positions of windows over ``length`` points. The last window ends at the last point.

    Returns
    -------
    ndarray, int64 [N]

    Raises
    ------
    ValueError
        The series is shorter than a window.
    """
    last = length - window
    if last < 0:
        msg = f"window of {window} samples does not fit into {length} points"
        raise ValueError(msg)
    return next(_batches(last, stride, last + 1))


def start_batches(length: int, window: int, stride: int | None = None, size: int = 512) -> Iterator[np.ndarray]:
    """Return the start positions of the windows used for scoring, in batches.

    Parameters
    ----------
    length, window : int
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
        The series is shorter than a window, or the stride would leave points without a score.
    """
    if length < window:
        raise InputError(f"{length} points are fewer than a window of {window}", "series", "score a longer series")
    if stride is not None and not 1 <= stride <= window:
        raise InputError(f"a stride of {stride} for windows of {window}", "stride", f"give 1 to {window}")
    step = stride or (1 if length <= STRIDE_ONE_UP_TO else max(1, window // 16))
    return _batches(length - window, step, size)


def _batches(last: int, stride: int, size: int) -> Iterator[np.ndarray]:
    """Yield every ``stride``-th start and finally ``last``, int64 [size or fewer] at a time."""
    count = -(-last // stride) + 1
    for begin in range(0, count, size):
        yield np.minimum(np.arange(begin, min(begin + size, count), dtype=np.int64) * stride, last)


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
    length : int
        Number of points T.

    Returns
    -------
    ndarray, float32 [T]
        Points outside all windows are interpolated linearly between covered points, or take the nearest value.
    """
    window = window_values.shape[1]
    positions = (window_starts[:, None] + np.arange(window)).ravel()
    total = np.bincount(positions, weights=window_values.astype(np.float64).ravel(), minlength=length)
    count = np.bincount(positions, minlength=length)
    covered = np.flatnonzero(count)
    mean = total[covered] / count[covered]
    return np.interp(np.arange(length), covered, mean).astype(np.float32)


def streamed_overlap_mean(batches: Iterable[tuple[np.ndarray, np.ndarray]], length: int) -> np.ndarray:
    """Average, at each point, over all windows that cover it, for windows that arrive in batches.

    Sums are kept only for points that later windows may still cover, so the working memory is that of one batch.

    Parameters
    ----------
    batches : iterable of (ndarray, int64 [N], ndarray [N, L] or [C, N, L])
        Starts in increasing order, and one value for each point of each window (and channel). Together the windows
        cover every point.
    length : int
        Number of points T.

    Returns
    -------
    ndarray, float32 [T] or [C, T]
    """
    begin = 0
    for number, (starts_, values) in enumerate(batches):
        rows = [*values.reshape(-1, values.shape[-2] * values.shape[-1]), np.ones(values.shape[-2:]).ravel()]
        if number == 0:
            mean = np.empty((len(rows) - 1, length), np.float32)
            sums: np.ndarray = np.zeros((len(rows), 0))  # sums of values, and number of windows, from `begin` on
        done = int(starts_[0]) - begin
        mean[:, begin : begin + done] = sums[:-1, :done] / sums[-1, :done]
        begin += done
        positions = (starts_[:, None] - begin + np.arange(values.shape[-1])).ravel()
        new_sums: np.ndarray = np.stack([np.bincount(positions, row) for row in rows])
        new_sums[:, : sums.shape[1] - done] += sums[:, done:]
        sums = new_sums
    mean[:, begin:] = sums[:-1] / sums[-1]
    return mean if values.ndim == 3 else mean[0]
