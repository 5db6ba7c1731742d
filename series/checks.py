"""Validate a series before anything is computed from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ape.core.errors import InputError
from ape.series.series import Series

MIN_LENGTH = 128  # points; a few of the shortest windows
LONGEST_NAME = 200  # characters; the limit of the agents' records
LONGEST_GAP = 10  # samples; a longer gap cannot be interpolated reliably


def validated(
    values: np.ndarray,
    channels: Sequence[str],
    *,
    train_end: int | None,
    timestamps: np.ndarray | None,
    text: str | None,
    name: str,
    notes: tuple[str, ...],
    where: str,
) -> Series:
    """Return a `Series` with short gaps filled and constant channels dropped.

    Raises
    ------
    InputError
        Names the first problem and its position.
    """
    length = len(values)
    if length < MIN_LENGTH:
        raise InputError(f"{length} points are too few", where, f"give at least {MIN_LENGTH}")
    too_long = [name for name in channels if len(name) > LONGEST_NAME]
    if too_long:
        raise InputError(
            f"a channel name of {len(too_long[0])} characters",
            f"{where}, channel '{too_long[0][:40]}...'",
            f"rename it to at most {LONGEST_NAME}",
        )
    if train_end is not None and not MIN_LENGTH <= train_end <= length:
        raise InputError(
            f"train_end {train_end} is out of range", where, f"give a value between {MIN_LENGTH} and {length}"
        )
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise InputError(
            "an infinite value", f"{where}, channel '{channels[column]}', position {row}", "fix it or leave it empty"
        )
    values, gap_notes = _fill_gaps(values, channels, where)
    if np.abs(values).max() > np.finfo(np.float32).max / 1e6:
        column = int(np.abs(values).max(axis=0).argmax())
        raise InputError("values beyond 1e32", f"{where}, channel '{channels[column]}'", "rescale the channel")
    values32 = np.ascontiguousarray(values, dtype=np.float32)
    values32, names, constant_notes = _drop_constant_channels(values32, channels, train_end, where)
    if timestamps is not None and len(timestamps) != length:
        raise InputError(f"{len(timestamps)} timestamps for {length} points", where, "give one for each point")
    return Series(
        values=values32,
        channels=tuple(names),
        train_end=train_end,
        timestamps=timestamps,
        text=text,
        name=name,
        notes=notes + gap_notes + constant_notes,
    )


def _fill_gaps(values: np.ndarray, channels: Sequence[str], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Interpolate short gaps linearly and refuse long ones. Return the values and notes."""
    if not np.isnan(values).any():
        return values, ()
    values, notes = values.copy(), []
    for column, name in enumerate(channels):
        missing = np.isnan(values[:, column])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
        begins, lengths = edges[::2], edges[1::2] - edges[::2]
        if len(lengths) == 0:
            continue
        if lengths.max() > LONGEST_GAP:
            longest = int(lengths.argmax())
            raise InputError(
                f"a gap of {lengths[longest]} missing values",
                f"{where}, channel '{name}', from position {begins[longest]}",
                f"fill it or cut the series there; gaps up to {LONGEST_GAP} are filled",
            )
        known = np.flatnonzero(~missing)
        values[missing, column] = np.interp(np.flatnonzero(missing), known, values[known, column])
        notes.append(f"channel '{name}': {missing.sum()} missing values in {len(lengths)} short gaps were filled")
    return values, tuple(notes)


def _drop_constant_channels(
    values: np.ndarray, channels: Sequence[str], train_end: int | None, where: str
) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """Return the values and names of the varying channels, and notes. Refuse a constant series or training part."""
    varies = np.ptp(values, axis=0) > 0
    if not varies.any():
        raise InputError(f"channel '{channels[0]}' is constant", where, "give a channel that varies")
    if not (np.ptp(values[:train_end], axis=0) > 0).any():
        raise InputError("the training part is constant", where, "give a later train_end")
    notes = tuple(
        f"channel '{name}' is constant and was left out"
        for name, varying in zip(channels, varies, strict=True)
        if not varying
    )
    return values[:, varies], [name for name, varying in zip(channels, varies, strict=True) if varying], notes
