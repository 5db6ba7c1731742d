"""What a trained detector requires of a new series: its channels by name, their offsets, the sampling step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.grid import step_name
from ape.series.series import Series
from ape.series.standstills import normal_standstills, usual_changes, without_dead
from ape.series.units import without_unit

LARGEST = 1e32  # kept in float32; larger values are scored as if they were this large
FAR = 1.0  # training ranges outside of the training range: farther values are mentioned
SAME_STEP = 0.01  # relative difference up to which two steps are the same
MOST_NAMES = 8  # in an error message
UNKNOWN = "the detector was not trained on "  # begins the note on channels that are left out


@dataclass(frozen=True)
class Requirements:
    """What a trained detector requires of a new series.

    Parameters
    ----------
    channels : tuple of str
        Names in the order of training. Empty if they are not known: then only the number of channels counts.
    offset : tuple of float
        What was subtracted from each channel; empty for zeros.
    step : float or None
        Seconds between points.
    named : bool
        Whether somebody gave the names. Other names are matched by position if the numbers of channels are equal.
    counters : tuple of str
        Channels whose increments were read.
    standstills : tuple of int
        Longest run of equal values that is normal for each channel, in points. Empty if they are not known.
    changes : tuple of float
        Usual change of each channel from point to point in training. Empty if they are not known.
    lowest, highest : tuple of float
        Range of each channel in training, minus its offset. Empty if it is not known.
    zone : str or None
        Zone of the clock in training: that of new times without a zone.
    errors : tuple of float
        Median squared standardised residual of each channel in training. Empty if it is not known.
    """

    channels: tuple[str, ...] = ()
    offset: tuple[float, ...] = ()
    step: float | None = None
    named: bool = True
    counters: tuple[str, ...] = ()
    standstills: tuple[int, ...] = ()
    changes: tuple[float, ...] = ()
    lowest: tuple[float, ...] = ()
    highest: tuple[float, ...] = ()
    zone: str | None = None
    errors: tuple[float, ...] = ()

    @classmethod
    def of(cls, series: Series) -> Requirements:
        """Return what a detector that is trained on ``series`` requires."""
        offset = () if series.offset is None else tuple(series.offset.tolist())
        return cls(
            channels=series.channels,
            offset=offset,
            step=series.step,
            named=series.named,
            counters=series.counters,
            standstills=normal_standstills(series),
            changes=usual_changes(series),
            lowest=tuple(series.train.min(axis=0).tolist()),
            highest=tuple(series.train.max(axis=0).tolist()),
            zone=series.zone,
        )

    def offset_of(self, count: int) -> np.ndarray:
        """Return the offsets of ``count`` channels, float64."""
        return np.array(self.offset) if self.offset else np.zeros(count)

    def by_name(self, names: Sequence[str], named: bool) -> bool:
        """Whether channels are matched by name: names were given here and in training, or all are found."""
        return (named and self.named) or set(self.channels) <= set(names)

    def places(self, names: Sequence[str], named: bool, where: str) -> tuple[list[int], tuple[str, ...]]:
        """Find each required channel among the names of a new series.

        Returns
        -------
        list of int
            Position of each required channel among ``names``.
        tuple of str
            Notes on what was matched otherwise than by equal names and order.

        Raises
        ------
        InputError
            A channel is missing. The message names the channels that only one side has.
        """
        if not self.channels:
            return list(range(len(names))), ()
        found = {channel: names.index(channel) for channel in self.channels if channel in names}
        if not self.by_name(names, named):
            if len(names) != len(self.channels):
                raise InputError(
                    f"{len(names)} channels, but the detector was trained on {len(self.channels)}",
                    where,
                    "use the channels of the training data",
                )
            return list(range(len(names))), ("channels without names are matched by position",)
        notes = [] if list(found.values()) == sorted(found.values()) else [
            "the channels are in another order than in training: they are matched by name"
        ]  # fmt: skip
        for channel, other in _up_to_units(
            [channel for channel in self.channels if channel not in found],
            [name for name in names if name not in found],
        ).items():
            found[channel] = names.index(other)
            notes.append(f"warning: channel '{other}' is taken for '{channel}', but the unit differs")
        lacking = [channel for channel in self.channels if channel not in found]
        extra = [name for k, name in enumerate(names) if k not in found.values()]
        if lacking:
            known = f"; the detector does not know {_quoted(extra)}" if extra else ""
            raise InputError(
                f"the series has no channel {_quoted(lacking)}{known}", where, "name the channels as in training"
            )
        if extra:
            notes.append(f"{UNKNOWN}{_quoted(extra)}: left out")
        return [found[channel] for channel in self.channels], tuple(notes)

    def step_notes(self, step: float | None) -> tuple[str, ...]:
        """Return a warning if a series has another sampling step."""
        if step is None or self.step is None or abs(step / self.step - 1) <= SAME_STEP:
            return ()
        return (
            f"warning: the step is {step_name(step)}, but the detector was trained on {step_name(self.step)}:"
            " the scores are not comparable with those of training",
        )

    def far_notes(self, series: Series) -> tuple[str, ...]:
        """Return a note for each channel of an aligned series with values far outside the training range."""
        if not self.lowest:
            return ()
        low, high = np.array(self.lowest), np.array(self.highest)
        margin = FAR * (high - low)
        far = (series.values < low - margin) | (series.values > high + margin)
        offset = self.offset_of(len(low))
        notes = []
        for channel in np.flatnonzero(far.any(axis=0)).tolist():
            count, first = int(far[:, channel].sum()), int(far[:, channel].argmax())
            digits = 2 - math.floor(math.log10(high[channel] - low[channel] or 1))  # three of the width of the range
            bounds = " to ".join(
                f"{round(float(bound + offset[channel]), digits):.15g}" for bound in (low[channel], high[channel])
            )
            when = series.time_text(first) or f"position {first}"
            values = "1 value" if count == 1 else f"{count} values"
            notes.append(
                f"channel '{series.channels[channel]}': {values} far outside the training range {bounds},"
                f" {'the first ' * (count > 1)}at {when}"
            )
        return tuple(notes)


def aligned(series: Series, required: Requirements) -> Series:
    """Return a series as a detector requires it: its channels in the order of training, relative to its offsets.

    The difference is computed in float64. The values of channels that stand still for much longer than in training
    become ``missing``: a dead sensor delivers nothing. ``notes`` of the result say what was changed.

    Parameters
    ----------
    series : Series
    required : Requirements

    Raises
    ------
    InputError
        A channel is missing, or a counter was read in another way.
    """
    places, notes = required.places(series.channels, series.named, series.name)
    names = required.channels or series.channels
    own = np.zeros(series.n_channels) if series.offset is None else series.offset
    offset = required.offset_of(len(places))
    if required.channels and [series.channels[k] in series.counters for k in places] != [
        name in required.counters for name in names
    ]:
        raise InputError(
            "a channel is read as the increments of a counter here or in training, but not in both",
            series.name,
            "load the series with required=detector.required",
        )
    same = places == list(range(series.n_channels))
    values = series.values if same else np.ascontiguousarray(series.values[:, places])
    if not np.array_equal(own[places], offset):
        values = (values.astype(np.float64) + (own[places] - offset)).clip(-LARGEST, LARGEST).astype(np.float32)
    missing, dead = (None if mask is None else mask[:, places] for mask in (series.missing, series.dead))
    moved = replace(
        series,
        values=values,
        channels=tuple(names),
        offset=offset if offset.any() else None,
        missing=missing if missing is not None and missing.any() else None,
        dead=dead if dead is not None and dead.any() else None,
        counters=tuple(name for name in names if name in required.counters),
    )
    found = (*series.notes, *notes, *required.step_notes(series.step), *required.far_notes(moved))
    found = tuple(sorted(dict.fromkeys(found), key=lambda note: not note.startswith("warning")))
    unchanged = found == series.notes and names == series.channels and np.array_equal(own, offset)
    known = series if unchanged else replace(moved, notes=found)
    return without_dead(known, required.standstills, required.changes)


def _up_to_units(lacking: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Match lacking channels with other names that differ only in the unit, if there is one choice."""
    bases = [base for name in (*lacking, *others) if (base := without_unit(name)) is not None]
    return {
        channel: other
        for channel in lacking
        for other in others
        if (base := without_unit(channel)) is not None and without_unit(other) == base and bases.count(base) == 2
    }


def _quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(f"'{name}'" for name in names[:MOST_NAMES]) + more
