"""Put rows in the order of time, find the sampling step, insert short gaps of missing rows, and record long ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.names import counted
from ape.series.reading.times import DAY, EVEN, Times, even_share
from ape.series.series import LONGEST_GAP, Gap

REGULAR = 0.8  # share of even steps of a regular series
MOST_STEPS = 0.9  # share of irregular steps that are no pauses
STEP_CHANGE = 12  # steps of another size in a row, more than gaps that recur by chance
MOST_SET_BACK = 10  # times that a clock is set back
MOST_DUPLICATES = 0.05  # share of rows above which times are too coarse to order the rows
MOST_DIFFER = 0.5  # share of the steps with another value, where rows of the same time and value are copies
NEWEST_FIRST = 0.9  # share of the steps that go back
HOUR = 3_600
MONTH_STEPS = {1: (27, 32), 3: (88, 93), 6: (180, 185), 12: (364, 367)}  # months: days


@dataclass(frozen=True)
class Gridded:
    """Rows in the order of time.

    Parameters
    ----------
    values : ndarray, float64 [T, C]
        NaN in inserted rows.
    times : Times or None
        None if the times do not order the rows.
    point_of_row : ndarray, int64 [n], or None
        Point of each row of the file; None if they are the same.
    step : float or None
        Seconds between points; None if they are irregular.
    step_name : str or None
        The step in words.
    gaps : tuple of Gap
        Long gaps, or long pauses of irregular times.
    notes : tuple of str
    """

    values: np.ndarray
    times: Times | None
    point_of_row: np.ndarray | None = None
    step: float | None = None
    step_name: str | None = None
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()


def on_grid(values: np.ndarray, times: Times) -> Gridded:
    """Order rows by time, average rows of the same time, insert short gaps, and record long ones.

    A gap is long if it lacks more than ``LONGEST_GAP`` rows. Where the step is irregular, no row is known to be
    missing: a pause is a long gap if it exceeds ``LONGEST_GAP`` times the step that 90 % of the steps do not exceed.

    Parameters
    ----------
    values : ndarray, float64 [n, C]
    times : Times
        One for each row.
    """
    values, ordered, point_of_row, notes = _ordered(values, times)
    if ordered is None or len(values) < 3:
        return Gridded(values, ordered, point_of_row, notes=tuple(notes))
    position, step, name, regular_notes = _positions(ordered.stamps)
    notes += regular_notes
    if position is None:
        gaps = _pauses(ordered.stamps, step)
        if gaps:
            longest = step_name(max(gap.seconds for gap in gaps))
            what = "a pause" if len(gaps) == 1 else f"{len(gaps)} pauses, the longest"
            notes.append(f"{what} of {longest}: no window spans a long pause")
        return Gridded(values, ordered, point_of_row, None, name, gaps, tuple(notes))
    return _filled(values, ordered, point_of_row, position, step, name, notes)


def _ordered(values: np.ndarray, times: Times) -> tuple[np.ndarray, Times | None, np.ndarray | None, list[str]]:
    stamps = times.stamps
    steps = np.diff(stamps)
    zero = steps.dtype.type(0)
    if (steps > zero).all():
        return values, times, None, []
    falls, rises = int((steps < zero).sum()), int((steps > zero).sum())
    if falls > NEWEST_FIRST * (falls + rises):
        rows = np.arange(len(values))[::-1]
        values, ordered, point_of_row, notes = _ordered(values[::-1], times.take(rows))
        point_of_row = rows.copy() if point_of_row is None else point_of_row[::-1]
        return values, ordered, point_of_row, ["rows were newest first and were reversed", *notes]
    if times.zone is None and (shifted := _set_back(times)) is not None:
        back = int((steps <= zero).sum())
        return (
            values,
            shifted,
            None,
            [f"the clock goes back by one hour {back} time{'s' * (back > 1)}: rows keep their order, and time runs on"],
        )
    order = np.argsort(stamps, kind="stable")
    unique, first, inverse = np.unique(stamps, return_index=True, return_inverse=True)
    repeated = len(stamps) - len(unique)
    if repeated > MOST_DUPLICATES * len(stamps) and not _are_copies(values, inverse, len(unique)):
        if (steps == zero).sum() > MOST_DUPLICATES * len(stamps):
            note = f"{repeated} times occur more than once: rows keep the file order, times are left out"
            return values, None, None, [note]
        raise InputError(
            f"{counted(repeated, 'row')} with the time of an earlier row, but other values",
            "times",
            "keep one row for each time, or say --series-column if a column names several series",
        )
    notes = []
    if falls:
        notes.append(f"rows were not in the order of time ({counted(falls, 'step')} back) and were sorted")
    if repeated:
        notes.append(f"{counted(repeated, 'row')} with the time of another: rows of the same time were averaged")
        values = _averaged(values, inverse, len(unique))
    else:
        values = values[order]
    return values, times.take(first), inverse.astype(np.int64), notes


def _are_copies(values: np.ndarray, group: np.ndarray, count: int) -> bool:
    """Whether nearly all rows of a group are copies, as where files overlap, and most rows of other groups differ."""
    mean = _averaged(values, group, count)
    same = (np.isclose(values, mean[group], rtol=1e-9, atol=0) | np.isnan(values)).all(axis=1)
    differ = (np.diff(mean, axis=0) != 0).any(axis=1)
    return bool((~same).sum() <= MOST_DUPLICATES * (len(group) - count) and differ.mean() > MOST_DIFFER)


def _averaged(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Return the mean of the present values of each group, [count, C]."""
    present = np.isfinite(values)
    result = np.empty((count, values.shape[1]))
    for column in range(values.shape[1]):
        sums = np.bincount(group, np.where(present[:, column], values[:, column], 0.0), count)
        numbers = np.bincount(group, present[:, column], count)
        with np.errstate(invalid="ignore", divide="ignore"):
            result[:, column] = sums / numbers
    once = np.bincount(group, minlength=count)[group] == 1
    result[group[once]] = values[once]  # exactly as they are
    return result


def _set_back(times: Times) -> Times | None:
    """Return times that run on where the clock is set back by one hour; None if that does not order them."""
    seconds = (times.stamps - times.stamps[0]) / np.timedelta64(1, "s")
    steps = np.diff(seconds)
    usual = float(np.median(steps))
    back = np.flatnonzero(steps <= 0)
    if len(back) > MOST_SET_BACK or usual <= 0 or usual > HOUR or times.stamps.dtype.kind != "M":
        return None
    if usual > HOUR / 2 and not in_night_to_sunday(times.stamps[back + 1]).all():
        return None  # a row that is written twice
    if (np.abs(steps[back] + HOUR - usual) > EVEN * usual + 1e-9).any():
        return None
    shift = np.zeros(len(seconds), dtype=np.int64)
    for row in back:
        end = _set_forward(steps, row, usual)
        shift[row + 1 : end] += HOUR
    stamps = times.stamps + shift.astype("timedelta64[s]")
    if (np.diff(stamps) <= np.timedelta64(0, "s")).any():
        return None
    return Times(stamps, times.format, None, (-shift).astype(np.int32), times.notes)


def _set_forward(steps: np.ndarray, row: int, usual: float) -> int:
    """Return the first row after the clock is set forward again by one hour, or the end."""
    forward = np.flatnonzero(np.abs(steps[row + 1 :] - HOUR - usual) <= EVEN * usual + 1e-9)
    return row + 2 + int(forward[0]) if len(forward) else len(steps) + 1


def _positions(stamps: np.ndarray) -> tuple[np.ndarray | None, float, str, list[str]]:
    """Return the position of each row on the regular grid, the step in seconds and in words; None if irregular."""
    seconds = np.diff(stamps) / np.timedelta64(1, "s")
    usual = float(np.median(seconds))
    if stamps.dtype.kind == "M":
        for months, (low, high) in MONTH_STEPS.items():
            if low * DAY <= usual <= high * DAY:
                month = stamps.astype("datetime64[M]").astype(np.int64)
                day = stamps - stamps.astype("datetime64[M]")
                last = (stamps + np.timedelta64(1, "D")).astype("datetime64[M]").astype(np.int64) > month
                if ((day == day[0]).all() or last.all()) and (np.diff(month) % months == 0).all():
                    name = f"{months} month{'s' * (months > 1)}" if months < 12 else "1 year"
                    return (month - month[0]) // months, usual, name, []
    name, notes = step_name(usual), _step_change(stamps, seconds, usual)
    if even_share(stamps) < REGULAR:
        notes.append(f"the sampling is irregular, about {name}: gaps are not filled")
        return None, usual, f"irregular, about {name}", notes
    jumps = rows_ahead(seconds, usual)
    if usual == DAY and stamps.dtype.kind == "M" and (jumps > 1).any() and _only_weekends(stamps, jumps):
        return np.arange(len(stamps)), usual, name, [*notes, "days without rows are weekends: they are not gaps"]
    return np.concatenate([[0], np.cumsum(jumps)]), usual, name, notes


def rows_ahead(steps: np.ndarray, usual: float) -> np.ndarray:
    """Return by how many rows of a regular grid each step leads on, int64 [n]; both in the same unit."""
    ahead = np.maximum(np.rint(steps / usual), 1).astype(np.int64)
    ahead[steps < 1.5 * usual] = 1
    return ahead


def _pauses(stamps: np.ndarray, usual: float) -> tuple[Gap, ...]:
    """Return the long gaps of irregular times; ``missing`` counts usual steps."""
    seconds = np.diff(stamps) / np.timedelta64(1, "s")
    long = np.flatnonzero(seconds > LONGEST_GAP * np.quantile(seconds, MOST_STEPS))
    return tuple(Gap(int(k) + 1, round(seconds[k] / usual) - 1, float(seconds[k])) for k in long)


def _step_change(stamps: np.ndarray, seconds: np.ndarray, usual: float) -> list[str]:
    """Return a note if the step is another one for a stretch of rows."""
    other = np.abs(seconds - usual) > EVEN * usual
    same = np.abs(np.diff(seconds)) <= EVEN * np.minimum(seconds[1:], seconds[:-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], other[1:] & other[:-1] & same, [False]])))
    begins, lengths = edges[::2], edges[1::2] - edges[::2] + 1
    if not len(lengths) or lengths.max() < STEP_CHANGE:
        return []
    longest = int(lengths.argmax())
    row = begins[longest]
    at = str(stamps[row].astype("datetime64[s]").item()) if stamps.dtype.kind == "M" else f"row {row}"
    return [
        f"the step changes: it is {step_name(float(seconds[row]))} for {lengths[longest]} rows from {at}, otherwise"
        f" {step_name(usual)}"
    ]


def _only_weekends(stamps: np.ndarray, jumps: np.ndarray) -> bool:
    weekday = (stamps.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return bool((weekday < 5).all() and (jumps[jumps > 1] == 3).mean() > 0.8 and (weekday[:-1][jumps == 3] == 4).all())


def step_name(seconds: float) -> str:
    """Return a step in words: ``5 min``."""
    for size, unit in ((DAY, "d"), (HOUR, "h"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if seconds >= size * (1 - 1e-9):
            return f"{seconds / size:.6g} {unit}"
    return f"{seconds:.6g} s"


def _summer_time(stamps: np.ndarray, at: np.ndarray, step: float) -> bool:
    """Whether a gap is one hour in a night to Sunday."""
    seconds = (stamps[at + 1] - stamps[at]) / np.timedelta64(1, "s")
    return bool((in_night_to_sunday(stamps[at + 1]) & (np.abs(seconds - HOUR - step) < 1e-6)).any())


def in_night_to_sunday(stamps: np.ndarray) -> np.ndarray:
    """Whether times are between 1 and 3 o'clock on a Sunday, when summer time begins and ends."""
    days = stamps.astype("datetime64[D]")
    hour = (stamps - days) / np.timedelta64(1, "h")
    return ((days.astype(np.int64) + 3) % 7 == 6) & (hour >= 1) & (hour <= 3)


def _filled(
    values: np.ndarray,
    times: Times,
    point_of_row: np.ndarray | None,
    position: np.ndarray,
    step: float,
    name: str,
    notes: list[str],
) -> Gridded:
    missing = np.diff(position) - 1
    at = np.flatnonzero(missing > 0)
    if len(at) == 0:
        return Gridded(values, times, point_of_row, step, name, (), tuple(notes))
    short = at[missing[at] <= LONGEST_GAP]
    inserted = np.zeros(len(values), dtype=np.int64)
    inserted[short + 1] = missing[short]
    place = np.arange(len(values)) + np.cumsum(inserted)  # of each row among the points
    total = int(place[-1]) + 1
    filled = np.full((total, values.shape[1]), np.nan)
    filled[place] = values
    stamps = times.stamps
    numbers = stamps.astype(np.int64)
    between = np.interp(np.arange(total), place, (numbers - numbers[0]).astype(np.float64)).round().astype(np.int64)
    new_stamps = (between + numbers[0]).astype(stamps.dtype)
    new_stamps[place] = stamps
    offsets = times.clock_offset
    if offsets is not None:
        source = np.searchsorted(place, np.arange(total), side="right") - 1
        offsets = offsets[source]
    rows = place if point_of_row is None else place[point_of_row]
    gaps = tuple(
        Gap(int(place[k]) + 1, int(missing[k]), float((stamps[k + 1] - stamps[k]) / np.timedelta64(1, "s")))
        for k in at[missing[at] > LONGEST_GAP]
    )
    if times.zone is None and stamps.dtype.kind == "M" and _summer_time(stamps, at, step):
        notes.append("an hour is missing in a night to Sunday: if summer time begins there, say --timezone")
    if len(short):
        count = int(missing[short].sum())
        notes.append(
            f"{counted(count, 'missing row')} in {counted(len(short), 'short gap')}"
            f" {'was' if count == 1 else 'were'} filled"
        )
    if gaps:
        longest = max(gap.missing for gap in gaps)
        what = "a long gap" if len(gaps) == 1 else f"{len(gaps)} long gaps, the longest"
        notes.append(f"{what} of {counted(longest, 'row')}: not filled")
    return Gridded(
        filled,
        Times(new_stamps, times.format, times.zone, offsets, times.notes),
        rows if len(short) or point_of_row is not None else None,
        step,
        name,
        gaps,
        tuple(notes),
    )
