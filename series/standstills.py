"""Find dead channels: those that stand still for much longer than ever in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ape.series.series import Series, runs

SHORTEST_DEAD = 32  # points: a channel that stands still for less is not taken for dead
DEAD_FACTOR = 4  # times the longest normal standstill, up to which a channel may be alive
MOST_NAMED = 3  # standstills in a note
FINE = 0.25  # of the usual change of a channel: a finer resolution does not make different values equal


def standstills(series: Series, channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Return begins and ends (exclusive) of the runs of equal values of a channel, int64 each.

    No run spans a long gap, and missing values belong to none.
    """
    values = series.values[:, channel]
    equal = values[1:] == values[:-1]
    equal[[gap.position - 1 for gap in series.gaps]] = False
    if series.missing is not None:
        equal &= ~(series.missing[1:, channel] | series.missing[:-1, channel])
    begins, ends = runs(equal)
    return begins, ends + 1


def normal_standstills(series: Series) -> tuple[int, ...]:
    """Return the longest run of equal values that is normal for each channel, in points.

    That is the longest one in the training part, divided by the share of time that the channel moves. A channel that
    mostly stands still, such as the load of an idle machine, has few standstills of very different lengths: the longest
    one of a short training part says little about later ones.
    """
    part = series.until(len(series.train))
    return tuple(_normal(*standstills(part, channel), part.length) for channel in range(series.n_channels))


def _normal(begins: np.ndarray, ends: np.ndarray, length: int) -> int:
    lengths = ends - begins
    moving = max(1, length - int(lengths.sum()))
    return int(lengths.max(initial=1)) * length // moving


def usual_changes(series: Series) -> tuple[float, ...]:
    """Return the median change of each channel from point to point in the training part, where it changes."""
    changes = np.abs(np.diff(series.train, axis=0))
    return tuple(float(np.median(change[change > 0])) if change.any() else 0.0 for change in changes.T)


def without_dead(series: Series, usual: Sequence[int], changes: Sequence[float]) -> Series:
    """Mark the values of dead channels as missing, and say so in the notes.

    Parameters
    ----------
    series : Series
    usual : sequence of int
        Longest normal standstill of each channel, as from `normal_standstills`.
    changes : sequence of float
        Usual change of each channel in training, as from `usual_changes`. Where float32 is coarser, as far from the
        values of training, equal values are rounded ones.
    """
    dead_values, notes = np.zeros(series.values.shape, dtype=bool), []
    for channel, longest in enumerate(usual):
        begins, ends = standstills(series, channel)
        dead = ends - begins >= max(SHORTEST_DEAD, DEAD_FACTOR * longest + 1)
        dead &= np.spacing(np.abs(series.values[begins, channel])) < FINE * changes[channel]
        if not dead.any():
            continue
        begins, ends = begins[dead], ends[dead]
        change = np.zeros(series.length + 1, dtype=np.int8)
        change[begins], change[ends] = 1, -1
        dead_values[:, channel] = change[:-1].cumsum() > 0
        notes.append(_note(series, channel, begins, ends))
    if not notes:
        return series
    missing = dead_values if series.missing is None else dead_values | series.missing
    dead_values |= False if series.dead is None else series.dead
    return replace(series, missing=missing, dead=dead_values, notes=(*series.notes, *notes))


def _note(series: Series, channel: int, begins: np.ndarray, ends: np.ndarray) -> str:
    lasting = [
        f"for {end - begin} points from {series.time_text(begin) or f'position {begin}'}"
        for begin, end in zip(begins[:MOST_NAMED].tolist(), ends.tolist(), strict=False)
    ]
    rest = len(begins) - MOST_NAMED
    more = [f"{rest} more time{'s' * (rest > 1)}"] if rest > 0 else []
    where = " and ".join(filter(None, (", ".join([*lasting, *more][:-1]), [*lasting, *more][-1])))
    return f"channel '{series.channels[channel]}' stands still {where}: its values are scored as missing"
