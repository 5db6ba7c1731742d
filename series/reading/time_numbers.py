"""Read numbers as times: epochs, compact dates such as 20240131235900, Excel's days, decimal years."""

from __future__ import annotations

import numpy as np

from ape.series.reading.options import EPOCH_UNITS, EXCEL
from ape.series.reading.times import DAY, Times, dates_of, even_share, joined, resolved

UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EPOCH_FROM = 1e8  # seconds: 1973
EPOCH_TO = 7.3e9  # seconds: 2201
EXCEL_EPOCH = 25_569  # 1970-01-01
EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119
YEARS = (1900, 2200)  # of compact dates
# Compact dates: digits of the year, fields of two digits after the day, digits of the fraction of the second.
LAYOUTS = ((4, 0, 0), (4, 1, 0), (4, 2, 0), (4, 3, 0), (4, 3, 3), (2, 2, 0), (2, 3, 0))
SHORT_LAYOUT = (2, 0, 0)  # other numbers of six digits are common


def numbers_in_format(numbers: np.ndarray, form: str) -> Times:
    """Return the times of numbers in a unit since 1970, or of Excel's days."""
    return excel_days(numbers) if form == EXCEL else epoch(numbers, form)


def epoch(numbers: np.ndarray, unit: str) -> Times:
    """Return the times of numbers since 1970 in a unit; fractions are read to the microsecond."""
    scale = 1000 ** (3 - EPOCH_UNITS.index(unit))
    if numbers.dtype.kind in "iu":
        nanoseconds = numbers.astype(np.int64) * scale
    else:
        whole = np.floor(numbers)
        microseconds = np.rint((numbers - whole) * (scale / 1000)).astype(np.int64)
        nanoseconds = whole.astype(np.int64) * scale + microseconds * 1000
    return Times(
        nanoseconds.astype("datetime64[ns]"), f"{UNIT_NAMES[unit]} since 1970", "UTC", np.zeros(len(numbers), np.int32)
    )


def excel_days(numbers: np.ndarray) -> Times:
    """Return the times of Excel's days since 1899-12-30, to the millisecond."""
    milliseconds = np.rint((numbers.astype(np.float64) - EXCEL_EPOCH) * DAY * 1000)
    return Times(resolved(milliseconds.astype("datetime64[ms]")), "Excel days")


def may_be_excel_days(numbers: np.ndarray) -> bool:
    """Whether numbers are in the range of today's dates in Excel."""
    return EXCEL_DAYS[0] <= numbers.min() and numbers.max() <= EXCEL_DAYS[1]


def are_parts_of_days(numbers: np.ndarray) -> bool:
    """Whether the step is a part of a day such as 1/288 that is whole in seconds, and not in decimals."""
    step = float(np.median(np.diff(numbers)))
    seconds = step * DAY
    return abs(step - round(step, 4)) > 1e-7 and abs(seconds - round(seconds)) < 0.01 and seconds > 0.5


def decimal_years(numbers: np.ndarray) -> Times | None:
    """Return the times of years such as 1980.5; None if the numbers are not rising years."""
    if numbers.dtype.kind != "f" or not 1500 < numbers.min() <= numbers.max() < 2500 or (np.diff(numbers) <= 0).any():
        return None
    years = np.floor(numbers).astype(np.int64)
    first, following = ((each - 1970).astype("datetime64[Y]").astype("datetime64[s]") for each in (years, years + 1))
    seconds = np.rint((numbers - years) * (following - first).astype(np.int64)).astype(np.int64)
    return Times(resolved(first + seconds), "decimal years")


def numeric_times(numbers: np.ndarray, least_even: float, named: bool) -> Times | None:
    """Read numbers as epochs or as compact dates, whichever gives more even steps.

    Parameters
    ----------
    numbers : ndarray, int64 or float64 [n]
    least_even : float
        Share of even steps below which numbers are no times.
    named : bool
        Whether the column is named like times, so that six digits may be a date.
    """
    if len(numbers) == 0 or not np.isfinite(numbers).all() or numbers.min() <= 0:
        return None
    units = zip(EPOCH_UNITS, (1.0, 1e3, 1e6, 1e9), strict=True)
    epochs = [
        epoch(numbers, unit)
        for unit, scale in units
        if numbers.min() >= EPOCH_FROM * scale and numbers.max() <= EPOCH_TO * scale
    ]
    dates = [_compact(numbers, *layout) for layout in ((*LAYOUTS, SHORT_LAYOUT) if named else LAYOUTS)]
    if named:
        dates.append(_days_of_years(numbers))
    best = max((*filter(None, dates), *epochs), key=lambda times: even_share(times.stamps), default=None)
    return best if best is not None and even_share(best.stamps) >= least_even else None


def _compact(numbers: np.ndarray, year_digits: int, clock_fields: int, fraction_digits: int) -> Times | None:
    """Read numbers as dates in one layout; None if one does not exist."""
    if (numbers != np.floor(numbers)).any() or numbers.max() >= 2.0**63:
        return None
    rest = numbers.astype(np.int64)
    size = year_digits + 4 + 2 * clock_fields + fraction_digits
    if not 10 ** (size - 1) <= rest.min() <= rest.max() < 10**size:
        return None
    rest, fraction = np.divmod(rest, 10**fraction_digits)
    parts = []
    for _ in range(clock_fields + 2):
        rest, part = np.divmod(rest, 100)
        parts.append(part)
    days, months, *clock = (parts[-2], parts[-1], *parts[-3::-1])
    years = np.where(rest < 69, rest + 2000, rest + 1900) if year_digits == 2 else rest
    dates, wrong = dates_of(years, months, days)
    if wrong is not None or years.min() < YEARS[0] or years.max() > YEARS[1]:
        return None
    if any((part > limit).any() for part, limit in zip(clock, (23, 59, 59), strict=False)):
        return None
    seconds = sum((part * unit for part, unit in zip(clock, (3600, 60, 1), strict=False)), np.zeros_like(years))
    form = "YYYY"[:year_digits] + "MMDD" + "HHMMSS"[: 2 * clock_fields]
    return Times(joined(dates, seconds, fraction * 1_000_000), f"compact {form}")


def _days_of_years(numbers: np.ndarray) -> Times | None:
    """Read numbers as years and days of the year such as 2024031; None if a day does not exist."""
    years, days = np.divmod(numbers, 1000)
    if (days != np.floor(days)).any() or years.min() < YEARS[0] or years.max() > YEARS[1]:
        return None
    first = (years.astype(np.int64) - 1970).astype("datetime64[Y]")
    dates = first.astype("datetime64[D]") + (days.astype(np.int64) - 1)
    return Times(resolved(dates), "compact YYYYDDD") if (dates.astype("datetime64[Y]") == first).all() else None
