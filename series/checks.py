"""Validate a series before anything is computed from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ape.core.errors import InputError
from ape.series.series import LONGEST_GAP, Series

MIN_LENGTH = 128  # points; a few of the shortest windows
LONGEST_NAME = 200  # characters; the limit of the agents' records
FLOAT32_SHARE = 1e-3  # of a channel's spread: the coarsest step of float32 that is kept without an offset
FLOAT64_SHARE = 1e-4  # of a channel's spread: the coarsest step of float64 at the channel's level
SMALLEST = 1e-30  # values below it lose digits in float32


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
    exact: Mapping[str, np.ndarray] | None = None,
    **context: Any,
) -> Series:
    """Return a `Series` with short gaps filled, constant channels dropped, and large levels kept as offsets.

    Parameters
    ----------
    values : ndarray, float64 [T, C]
    channels : sequence of str
    train_end, timestamps, text, name, notes
        See `Series`.
    where : str
        The file, for error messages.
    exact : dict of ndarray, int64 [T], optional
        Values of channels that float64 does not represent.
    context
        Further fields of `Series`.

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
    edges = [0, *(gap.position for gap in context.get("gaps", ())), length]
    inserted = np.zeros(length, dtype=bool)
    if context.get("point_of_row") is not None:
        inserted[:] = True
        inserted[context["point_of_row"]] = False
    values, gap_notes = _fill_gaps(values, channels, edges, inserted, where)
    if np.abs(values).max() > np.finfo(np.float32).max / 1e6:
        column = int(np.abs(values).max(axis=0).argmax())
        raise InputError("values beyond 1e32", f"{where}, channel '{channels[column]}'", "rescale the channel")
    offset, offset_notes = _offsets(values, channels, exact or {}, where)
    if offset is not None:
        values = _without_offset(values, channels, offset, exact or {})
    values32 = np.ascontiguousarray(values, dtype=np.float32)
    varies, constant_notes = _varying_channels(values32, channels, train_end, where)
    if offset is not None:
        offset = offset[varies] if offset[varies].any() else None
    if timestamps is not None and len(timestamps) != length:
        raise InputError(f"{len(timestamps)} timestamps for {length} points", where, "give one for each point")
    return Series(
        values=values32[:, varies],
        channels=tuple(name for name, varying in zip(channels, varies, strict=True) if varying),
        train_end=train_end,
        timestamps=timestamps,
        text=text,
        name=name,
        notes=notes + gap_notes + offset_notes + constant_notes,
        offset=offset,
        **context,
    )


def _fill_gaps(
    values: np.ndarray, channels: Sequence[str], edges: Sequence[int], inserted: np.ndarray, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Interpolate short gaps linearly, within the stretches between ``edges``, and refuse long ones."""
    if not np.isnan(values).any():
        return values, ()
    values, notes = values.copy(), []
    for column, name in enumerate(channels):
        missing = np.isnan(values[:, column])
        count = int((missing & ~inserted).sum())
        runs = 0
        for begin, end in pairwise(edges):
            runs += _fill_stretch(values[begin:end, column], inserted[begin:end], name, begin, where)
        if count:
            notes.append(f"channel '{name}': {count} missing values in {runs} short gaps were filled")
    return values, tuple(notes)


def _fill_stretch(values: np.ndarray, inserted: np.ndarray, name: str, offset: int, where: str) -> int:
    """Fill the gaps of a contiguous stretch in place; return how many contain a row of the file."""
    missing = np.isnan(values)
    changes = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    begins, lengths = changes[::2], changes[1::2] - changes[::2]
    if len(lengths) == 0:
        return 0
    if lengths.max() > LONGEST_GAP:
        longest = int(lengths.argmax())
        raise InputError(
            f"a gap of {lengths[longest]} missing values",
            f"{where}, channel '{name}', from position {begins[longest] + offset}",
            f"fill it or cut the series there; gaps up to {LONGEST_GAP} are filled",
        )
    known = np.flatnonzero(~missing)
    if len(known) == 0:
        raise InputError(
            f"no value in a stretch of {len(values)} rows between long gaps",
            f"{where}, channel '{name}', from position {offset}",
            "leave out the rows",
        )
    values[missing] = np.interp(np.flatnonzero(missing), known, values[known])
    return int(sum((~inserted[b : b + n]).any() for b, n in zip(begins, lengths, strict=True)))


def _offsets(
    values: np.ndarray, channels: Sequence[str], exact: Mapping[str, np.ndarray], where: str
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the level of each channel that float32 would round away, [C], or None; refuse what float64 cannot hold."""
    offset, notes = np.zeros(values.shape[1]), []
    for column, name in enumerate(channels):
        part = values[:, column]
        largest = float(np.abs(part).max())
        if 0 < largest < SMALLEST:
            raise InputError(
                f"values below {SMALLEST:g}, where float32 has no digits",
                f"{where}, channel '{name}'",
                "rescale the channel",
            )
        level = float(np.median(part))
        spread = float(np.std(part - level))
        if name in exact:
            spread = max(spread, float(np.std((exact[name] - exact[name][0]).astype(np.float64))))
        if spread == 0 or largest == 0:
            continue
        if float(np.spacing(np.float32(largest))) <= FLOAT32_SHARE * spread:
            continue
        if name not in exact and float(np.spacing(largest)) > FLOAT64_SHARE * spread:
            raise InputError(
                f"values near {level:.6g} vary by {spread:.2g}, less than float64 represents there",
                f"{where}, channel '{name}'",
                "subtract the level before writing the file",
            )
        digits = -math.floor(math.log10(spread))
        offset[column] = round(level, min(digits, 300))
        notes.append(f"channel '{name}': values are kept relative to {offset[column]:.15g}")
    return (offset if offset.any() else None), tuple(notes)


def _without_offset(
    values: np.ndarray, channels: Sequence[str], offset: np.ndarray, exact: Mapping[str, np.ndarray]
) -> np.ndarray:
    values = values - offset
    for column, name in enumerate(channels):
        if name in exact and offset[column]:
            values[:, column] = (exact[name] - np.int64(offset[column])).astype(np.float64)
    return values


def _varying_channels(
    values: np.ndarray, channels: Sequence[str], train_end: int | None, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return which channels vary, bool [C], and notes. Refuse a constant series or training part."""
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
    return varies, notes
