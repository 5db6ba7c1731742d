"""Days that look like another day of the week, such as a holiday like a Sunday."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ape.monitor.context import Context
from ape.monitor.event import Event
from ape.rules.placement import hours_of_week

FEWEST_DAYS = 2  # of the training part that a day is compared with
FITS = 0.9  # share of the points of an event, and of its days, that must lie between the lowest and highest value
EARLIER_OR_LATER = 4  # samples by which the band allows for other timing
FLAT = 0.1  # standard deviations by which values of a constant channel may differ
MONDAY = np.datetime64("1970-01-05")


def looks_like(event: Event, weekdays: Sequence[int], channels: Sequence[str], context: Context, slack: int) -> bool:
    """Return whether an event is on days that look like other days of the week.

    All of its days are compared, from midnight to midnight, with the values at the same times of day on these days of
    the week in normal data. Nine tenths of the points, both of the event and of its days, must lie between the lowest
    and the highest of these values, and none may be farther outside than these are apart, so that a fault on such a
    day is not hidden.

    Parameters
    ----------
    event : Event
    weekdays : sequence of int
        0 is Monday.
    channels : sequence of str
        Those that are compared.
    context : Context
    slack : int
        Samples at both ends of the event that do not tell its days.
    """
    clock, bank = context.series.clock, context.bank
    hours = None if bank is None else hours_of_week(bank.context, len(context.normal))
    if clock is None or bank is None or hours is None:
        return False
    day = clock.astype("datetime64[D]")
    middle = slice(event.begin + slack, event.end - slack)
    dates = np.unique(day[middle] if event.end - event.begin > 2 * slack else day[event.begin : event.end])
    if np.isin((dates - MONDAY).astype(np.int64) % 7, weekdays).all():
        return False
    per_day = max(1, round(24 / (bank.context.hours_per_step or 24.0)))
    at = [context.channel(name) for name in channels]
    usual = context.usable & np.isin(hours // 24, weekdays)
    low, high = _band(context.normal[usual][:, at], (hours[usual] % 24 * per_day / 24).astype(np.int64), per_day)
    where = np.flatnonzero(np.isin(day, dates))
    slot = ((clock[where] - day[where]) / np.timedelta64(1, "D") * per_day).astype(np.int64) % per_day
    margin = FLAT * context.scale[at]
    low, high = low[slot] - margin, high[slot] + margin
    values = context.series.values[where][:, at]
    outside = np.fmax(np.fmax(low - values, values - high), 0.0)
    inside = ((low <= values) & (values <= high)).all(axis=1)
    in_event = (where >= event.begin) & (where < event.end)
    return bool(
        inside.mean() >= FITS
        and inside[in_event].mean() >= FITS
        and (outside[in_event] <= (high - low)[in_event]).all()
    )


def _band(values: np.ndarray, slot: np.ndarray, per_day: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest of values [n, C] at each time of day, float64 [per_day, C]; NaN where too few are known."""
    low, high = np.full((per_day, values.shape[1]), np.inf), np.full((per_day, values.shape[1]), -np.inf)
    np.minimum.at(low, slot, values)
    np.maximum.at(high, slot, values)
    width = min(2 * EARLIER_OR_LATER + 1, per_day)
    low = ndimage.minimum_filter1d(low, width, axis=0, mode="wrap")
    high = ndimage.maximum_filter1d(high, width, axis=0, mode="wrap")
    few = np.bincount(slot, minlength=per_day) < FEWEST_DAYS
    low[few], high[few] = np.nan, np.nan
    return low, high
