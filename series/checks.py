"""What a series must be before anything is computed from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ape.core.errors import InputError
from ape.series.series import Series

MIN_LENGTH = 128  # a few of the shortest windows
LONGEST_NAME = 200  # characters; agents' records hold no more
LONGEST_GAP = 10  # samples; longer ones would be invented rather than filled


def checked(
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
    """Return a `Series`, or raise `InputError` with the place of the first thing that is wrong."""
    length = len(values)
    if length < MIN_LENGTH:
        raise InputError(f"{length} points are too few", where, f"give at least {MIN_LENGTH}")
    too_long = [name for name in channels if len(name) > LONGEST_NAME]
    if too_long:
        raise InputError(
            f"a channel name of {len(too_long[0])} characters", f"{where}, channel '{too_long[0][:40]}...'",
            f"rename it to at most {LONGEST_NAME}",
        )  # fmt: skip
    if train_end is not None and not MIN_LENGTH <= train_end <= length:
        raise InputError(
            f"train_end {train_end} is out of range", where, f"give a value between {MIN_LENGTH} and {length}"
        )
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise InputError(
            "an infinite value", f"{where}, channel '{channels[column]}', position {row}", "fix it or leave it empty"
        )
    values, filled = _filled(values, channels, where)
    if np.abs(values).max() > np.finfo(np.float32).max / 1e6:
        column = int(np.abs(values).max(axis=0).argmax())
        raise InputError("values beyond 1e32", f"{where}, channel '{channels[column]}'", "rescale the channel")
    values32 = np.ascontiguousarray(values, dtype=np.float32)
    values32, kept, constant = _without_constant(values32, channels, train_end, where)
    if timestamps is not None and len(timestamps) != length:
        raise InputError(f"{len(timestamps)} timestamps for {length} points", where, "give one for each point")
    return Series(
        values=values32,
        channels=tuple(kept),
        train_end=train_end,
        timestamps=timestamps,
        text=text,
        name=name,
        notes=notes + filled + constant,
    )


def _filled(values: np.ndarray, channels: Sequence[str], where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Fill short gaps by straight lines, refuse long ones."""
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
                f"fill it or cut the series there; up to {LONGEST_GAP} are filled",
            )
        known = np.flatnonzero(~missing)
        values[missing, column] = np.interp(np.flatnonzero(missing), known, values[known, column])
        notes.append(f"channel '{name}': {missing.sum()} missing values in {len(lengths)} short gaps were filled")
    return values, tuple(notes)


def _without_constant(
    values: np.ndarray, channels: Sequence[str], train_end: int | None, where: str
) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """Leave out channels that never move; refuse a series of nothing else, or one that stands still in training."""
    moves = np.ptp(values, axis=0) > 0
    if not moves.any():
        raise InputError(f"channel '{channels[0]}' is constant", where, "give a channel that varies")
    if not (np.ptp(values[:train_end], axis=0) > 0).any():
        raise InputError("the training part is constant", where, "give a later train_end")
    notes = tuple(
        f"channel '{name}' is constant and was left out"
        for name, moving in zip(channels, moves, strict=True)
        if not moving
    )
    return values[:, moves], [name for name, moving in zip(channels, moves, strict=True) if moving], notes
