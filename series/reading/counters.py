"""Recognise counters, which only rise, and replace them by their increments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ape.series.series import Gap

RISING = 0.3  # share of steps that rise: a counter that stands still more often is not recognised
MOST_RESETS = 0.01  # share of steps back to zero


def difference_counters(
    values: np.ndarray, names: Sequence[str], gaps: Sequence[Gap], difference: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Replace counters by their increments if asked, and say which channels are counters.

    Parameters
    ----------
    values : ndarray, float64 [T, C]
        NaN where a value is missing.
    names : sequence of str
    gaps : sequence of Gap
        The increment across a gap is not used.
    difference : bool

    Returns
    -------
    values : ndarray, float64 [T, C]
    notes : tuple of str
    """
    notes, result = [], values
    for column, name in enumerate(names):
        if not is_counter(values[:, column]):
            continue
        if not difference:
            notes.append(f"channel '{name}' only rises, like a counter: --difference reads its increments")
            continue
        if result is values:
            result = values.copy()
        result[:, column] = _increments(values[:, column], gaps)
        notes.append(f"channel '{name}' is a counter: its increments are read")
    if difference and not notes:
        notes.append("no channel is a counter: --difference changed nothing")
    return result, tuple(notes)


def is_counter(values: np.ndarray) -> bool:
    """Whether values only rise, but for resets to near zero."""
    values = values[np.isfinite(values)]
    if len(values) < 3:
        return False
    steps = np.diff(values)
    down = steps < 0
    if (steps > 0).mean() < RISING or down.mean() > MOST_RESETS:
        return False
    low, high = values.min(), values.max()
    return bool((values[1:][down] <= low + 0.05 * (high - low)).all()) and (not down.any() or low >= 0)


def _increments(values: np.ndarray, gaps: Sequence[Gap]) -> np.ndarray:
    steps = np.diff(values, prepend=np.nan)
    after_reset = steps < 0
    steps[after_reset] = values[after_reset]
    for begin in (0, *(gap.position for gap in gaps)):
        steps[begin] = steps[begin + 1] if begin + 1 < len(steps) else np.nan
    return steps
