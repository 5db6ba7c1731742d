"""Recognise counters, which only rise, and replace them by their increments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ape.series.series import Gap

RISING = 0.3  # share of steps that rise: a counter that stands still more often is not recognised
MOST_RESETS = 0.01  # share of steps back to zero
HINT = "--difference reads its increments"


def difference_counters(
    values: np.ndarray, names: Sequence[str], gaps: Sequence[Gap], difference: bool, known: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Replace counters by their increments if asked, and say which channels are counters.

    Parameters
    ----------
    values : ndarray, float64 [T, C]
        NaN where a value is missing.
    names : sequence of str
    gaps : sequence of Gap
        The increment across a gap is not used.
    difference : bool
        Replace the channels that are recognised as counters.
    known : sequence of str, optional
        Replace exactly these channels, whatever their values are: the counters of the training data.

    Returns
    -------
    values : ndarray, float64 [T, C]
    counters : tuple of str
        The channels that were replaced.
    notes : tuple of str
    """
    if known is not None:
        found = [name for name in names if name in known]
    else:
        found = [name for column, name in enumerate(names) if is_counter(values[:, column])]
        if not difference:
            return values, (), tuple(f"channel '{name}' only rises, like a counter: {HINT}" for name in found)
        if not found:
            return values, (), ("no channel is a counter: --difference changed nothing",)
    if not found:
        notes = ("the detector was not trained on increments: --difference changed nothing",) if difference else ()
        return values, (), notes
    result = values.copy()
    for name in found:
        column = list(names).index(name)
        result[:, column] = _increments(values[:, column], gaps)
    return result, tuple(found), tuple(f"channel '{name}' is a counter: its increments are read" for name in found)


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
