"""Validate a series before anything is computed from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ape.core.errors import InputError
from ape.series.requirements import LARGEST, Requirements
from ape.series.series import LONGEST_GAP, Series, runs

MIN_LENGTH = 128  # points; a few of the shortest windows
SHORTEST_STRETCH = 32  # points of the training part without a gap: the shortest automatic window
LONGEST_NAME = 200  # characters; the limit of the agents' records
FLOAT32_SHARE = 1e-3  # of a channel's spread: the coarsest step of float32 that is kept without an offset
FLOAT64_SHARE = 3e-2  # of a channel's spread: the coarsest step of float64, whose rounding then adds 1 % of noise
ROUNDING = 8  # steps of float64: a channel that varies by less in the training part varies only by rounding
EXACT = 1e15  # numbers with more digits are shown as integers
SAMPLED = 100_000  # values from which the level of a channel is estimated
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
    base: np.ndarray | None = None,
    required: Requirements | None = None,
    scoring: bool = False,
    **context: Any,
) -> Series:
    """Return a `Series` with missing values filled, constant channels dropped, and large levels kept as offsets.

    Parameters
    ----------
    values : ndarray, float64 [T, C]
        Minus ``base``.
    channels : sequence of str
    train_end, timestamps, text, name, notes
        See `Series`.
    where : str
        The file, for error messages.
    base : ndarray, float64 [C], optional
        What was subtracted from channels of integers that float64 does not represent.
    required : Requirements, optional
        Of a trained detector: the channels are its own, all are kept, and its offsets are used.
    scoring : bool
        The series is only scored: nothing is required of its values.
    context
        Further fields of `Series`.

    Raises
    ------
    InputError
        Names the first problem and its position.
    """
    length, channels = len(values), list(channels)
    _require_sizes(length, channels, train_end, timestamps, scoring, where)
    trained = slice(0, 0 if scoring else train_end)
    base = np.zeros(len(channels)) if base is None else base
    values, bound_notes = _bounded(values, channels, trained, where)
    if not scoring and required is None:
        values, base, channels, empty_notes = _with_values(values, base, channels, trained, where)
        bound_notes += empty_notes
    edges = [0, *(gap.position for gap in context.get("gaps", ())), length]
    inserted = np.zeros(length, dtype=bool)
    if context.get("point_of_row") is not None:
        inserted[:] = True
        inserted[context["point_of_row"]] = False
    values, missing, fill_notes = _filled(values, channels, edges, inserted)
    offset_notes: tuple[str, ...] = ()
    rounded: list[str] = []
    if required is not None or scoring:
        offset = (required or Requirements()).offset_of(len(channels))
    else:
        values, rounded = _without_rounding(values, base, channels, trained)
        normal = values[trained] if missing is None else values[trained][~missing[trained].any(axis=1)]
        offset, offset_notes = _offsets(normal, base, channels, where)
    if (base != offset).any():
        values = values + (base - offset)
    values32 = np.ascontiguousarray(values if missing is None else np.nan_to_num(values), dtype=np.float32)
    constant = np.ptp(values32, axis=0) == 0
    kept = np.ones(len(channels), bool) if scoring or required is not None or constant.all() else ~constant
    left_out = [channels[k] for k in np.flatnonzero(~kept)]
    series = Series(
        values=values32[:, kept],
        channels=tuple(name for name, keep in zip(channels, kept, strict=True) if keep),
        train_end=train_end,
        timestamps=timestamps,
        text=text,
        name=name,
        missing=missing[:, kept] if missing is not None and missing[:, kept].any() else None,
        offset=offset[kept] if offset[kept].any() else None,
        notes=(
            *notes,
            *bound_notes,
            *fill_notes,
            *offset_notes,
            *(f"channel '{name}' is {_constant(name, rounded)} and was left out" for name in left_out),
        ),
        **context,
    )
    if not scoring:
        _require_training_part(series, rounded, where)
    return series


def _constant(channel: str, rounded: Sequence[str]) -> str:
    return "constant but for rounding" if channel in rounded else "constant"


def _require_sizes(
    length: int,
    channels: Sequence[str],
    train_end: int | None,
    timestamps: np.ndarray | None,
    scoring: bool,
    where: str,
) -> None:
    least = 1 if scoring else MIN_LENGTH
    if length < least:
        raise InputError(f"{length} points are too few", where, f"give at least {least}")
    too_long = [name for name in channels if len(name) > LONGEST_NAME]
    if too_long:
        raise InputError(
            f"a channel name of {len(too_long[0])} characters",
            f"{where}, channel '{too_long[0][:40]}...'",
            f"rename it to at most {LONGEST_NAME}",
        )
    if train_end is not None and not least <= train_end <= length:
        raise InputError(f"train_end {train_end} is out of range", where, f"give a value between {least} and {length}")
    if timestamps is not None and len(timestamps) != length:
        raise InputError(f"{len(timestamps)} timestamps for {length} points", where, "give one for each point")


def _require_training_part(series: Series, rounded: Sequence[str], where: str) -> None:
    """Refuse a training part that is constant or has too few points without missing values."""
    segments = series.train_segments
    lengths = [end - begin for begin, end in segments]
    usable = sum(length for length in lengths if length >= SHORTEST_STRETCH)
    if usable < MIN_LENGTH:
        if series.missing is None:
            what, hint = "between the long gaps", "give a later train_end"
        else:
            worst = int(series.missing[: series.train_end].sum(axis=0).argmax())
            what = f"without missing values (most are in channel '{series.channels[worst]}')"
            hint = "give a later train_end, or leave out the channel with --column"
        raise InputError(
            f"the training part has only {usable} points in stretches of at least {SHORTEST_STRETCH} {what};"
            f" the longest has {max(lengths, default=0)}",
            where,
            hint,
        )
    lows, highs = (np.array([f(series.values[b:e], axis=0) for b, e in segments]) for f in (np.min, np.max))
    if (lows.min(axis=0) == highs.max(axis=0)).all():
        if (np.ptp(series.values, axis=0) > 0).any():
            raise InputError("the training part is constant", where, "give a later train_end")
        first = series.channels[0]
        raise InputError(f"channel '{first}' is {_constant(first, rounded)}", where, "give a channel that varies")


def _bounded(
    values: np.ndarray, channels: Sequence[str], trained: slice, where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Refuse values that are infinite or too large for float32 in the training part; clip them elsewhere."""
    outside = np.abs(values) > LARGEST
    if not outside.any():
        return values, ()
    if outside[trained].any():
        row, column = np.argwhere(outside[trained])[0]
        place = f"{where}, channel '{channels[column]}'"
        if np.isinf(values[row, column]):
            raise InputError("an infinite value", f"{place}, position {row}", "fix it or leave it empty")
        raise InputError(f"values beyond {LARGEST:g}", place, "rescale the channel")
    counts = outside.sum(axis=0).tolist()
    return values.clip(-LARGEST, LARGEST), tuple(
        f"channel '{channels[k]}': {counts[k]} value{'s' * (counts[k] > 1)} beyond {LARGEST:g}, scored as that value"
        for k in np.flatnonzero(counts)
    )


def _with_values(
    values: np.ndarray, base: np.ndarray, channels: Sequence[str], trained: slice, where: str
) -> tuple[np.ndarray, np.ndarray, list[str], tuple[str, ...]]:
    """Leave out channels without any value in the training part."""
    known = ~np.isnan(values[trained]).all(axis=0)
    if known.all():
        return values, base, list(channels), ()
    if not known.any():
        raise InputError("only missing values in the training part", where, "give a column with values")
    names = [name for name, keep in zip(channels, known, strict=True) if keep]
    notes = tuple(f"channel '{channels[k]}' has no value to train on and was left out" for k in np.flatnonzero(~known))
    return values[:, known], base[known], names, notes


def _filled(
    values: np.ndarray, channels: Sequence[str], stretches: Sequence[int], inserted: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Interpolate short runs of missing values, and hold the last known value in long ones.

    ``stretches`` are the edges between which runs are interpolated. Returns the values, where they are held, and notes.
    A channel without any value stays as it is.
    """
    unknown = np.isnan(values)
    if not unknown.any():
        return values, None, ()
    values, held, notes = values.copy(), np.zeros_like(unknown), []
    for column, name in enumerate(channels):
        begins, ends = runs(unknown[:, column], stretches[1:-1])
        if len(begins) == 0:
            continue
        known = np.flatnonzero(~unknown[:, column])
        if len(known) == 0:
            held[:, column] = True
            notes.append(f"channel '{name}' has no value")
            continue
        at_begin, at_end = np.isin(begins, stretches), np.isin(ends, stretches)
        long = (ends - begins > LONGEST_GAP) | (at_begin & at_end)
        last = values[known[np.maximum(np.searchsorted(known, begins) - 1, 0)], column]
        next_ = values[known[np.minimum(np.searchsorted(known, begins), len(known) - 1)], column]
        first = np.where(at_begin & ~long, next_, last)
        second = np.where(at_end | long, first, next_)
        run = np.repeat(np.arange(len(begins)), ends - begins)
        rows = np.flatnonzero(unknown[:, column])
        share = (rows - begins[run] + 1) / (ends - begins + 1)[run]
        values[rows, column] = first[run] + (second - first)[run] * share
        held[rows[long[run]], column] = True
        notes += _fill_notes(name, rows, run, long, inserted)
    return values, held if held.any() else None, tuple(notes)


def _fill_notes(name: str, rows: np.ndarray, run: np.ndarray, long: np.ndarray, inserted: np.ndarray) -> list[str]:
    """Say how many values of a channel were filled and held; rows that the file does not have are not counted."""
    counts = np.bincount(run[~inserted[rows]], minlength=len(long))
    notes = []
    if counts[~long].any():
        number, places = int(counts[~long].sum()), int((counts[~long] > 0).sum())
        notes.append(f"channel '{name}': {number} missing values in {places} short gaps were filled")
    if counts[long].any():
        number, places = int(counts[long].sum()), int((counts[long] > 0).sum())
        notes.append(
            f"channel '{name}': {number} missing values in {places} long run{'s' * (places > 1)}:"
            " the last value before is held there"
        )
    return notes


def _without_rounding(
    values: np.ndarray, base: np.ndarray, channels: Sequence[str], trained: slice
) -> tuple[np.ndarray, list[str]]:
    """Make channels that vary only by rounding in the training part equal to their median there; return their names.

    Integers that are relative to a ``base`` are exact.
    """
    part = values[trained]
    low, high = part.min(axis=0), part.max(axis=0)
    limit = ROUNDING * np.spacing(np.maximum(np.abs(low), np.abs(high)))
    found = np.flatnonzero((low < high) & (high - low <= limit) & (base == 0))
    if not len(found):
        return values, []
    values = values.copy()
    for column in found:
        level = np.median(part[:, column])
        values[np.abs(values[:, column] - level) <= limit[column], column] = level
    return values, [channels[column] for column in found]


def _offsets(
    values: np.ndarray, base: np.ndarray, channels: Sequence[str], where: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the level of each channel that float32 would round away, [C]; refuse what float64 cannot hold.

    ``values`` [n, C] are those of the training part, minus ``base``.
    """
    offset, notes = base.copy(), []
    for column, name in enumerate(channels):
        part = values[:, column]
        low, high = float(part.min()) + base[column], float(part.max()) + base[column]
        largest = max(abs(low), abs(high))
        if 0 < largest < SMALLEST:
            raise InputError(
                f"values below {SMALLEST:g}, where float32 has no digits",
                f"{where}, channel '{name}'",
                "rescale the channel",
            )
        sample = part[:: max(1, len(part) // SAMPLED)]
        level = float(np.median(sample))
        usual, spread = float(np.median(np.abs(sample - level))), float(np.std(part - level))
        if spread == 0 or largest == 0:
            continue
        at_level = abs(level + base[column])
        if float(np.spacing(np.float32(largest))) <= FLOAT32_SHARE * spread and not (
            0 < FLOAT32_SHARE * usual < float(np.spacing(np.float32(at_level)))
        ):
            continue
        step = float(np.spacing(largest))
        if base[column] == 0 and step > FLOAT64_SHARE * spread:
            raise InputError(
                f"values near {level:.6g} vary by {spread:.2g}, but float64 has steps of {step:.2g}",
                f"{where}, channel '{name}'",
                "subtract the level before writing the file",
            )
        # A round number within a few spreads, so that 101325 + wave and wave are the same numbers.
        digits = -math.floor(math.log10(usual or spread)) - 1
        offset[column] = base[column] + round(level, min(digits, 300))
        shown = f"{offset[column]:.15g}" if abs(offset[column]) < EXACT else str(int(offset[column]))
        notes.append(f"channel '{name}': values are kept relative to {shown}")
    return offset, tuple(notes)
