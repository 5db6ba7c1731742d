"""Read numbers as times: epochs, compact dates such as 20240131235900, counts of days, decimal years."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ape.series.reading.options import EPOCH_UNITS, EXCEL
from ape.series.reading.times import DAY, EVEN, Times, dates_of, even_share, full_years, joined, resolved

UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EPOCH_FROM = 1e8  # seconds: 1973
EPOCH_TO = 7.3e9  # seconds: 2201
RECENT = (8e8, 2.4e9)  # seconds: 1995 to 2046
# Counts that do not start in 1970: counts per second, seconds from the start to 1970, zone.
OTHER_EPOCHS = {
    "100 ns since 1601": (10**7, 11_644_473_600, "UTC"),
    "100 ns since the year 1": (10**7, 62_135_596_800, None),
    "seconds since 1904": (1, 2_082_844_800, "UTC"),
}
# Counts of days: 1970-01-01 in each.
EXCEL_DAYS = "Excel days"
DAY_COUNTS = {EXCEL_DAYS: 25_569.0, "MATLAB days": 719_529.0, "Julian days": 2_440_587.5}
MODIFIED_DAYS = {"modified Julian days": 40_587.0}  # which look like Excel's
DAYS_AROUND = (-5_569, 54_431)  # 1954 to 2119
WHOLE_SECONDS = 0.05  # how far rounded days may be from them
YEARS = (1900, 2200)  # of compact dates
ANY_YEARS = (1000, 9999)  # of compact dates in columns that are named like times
# Compact dates: digits of the year, fields of two digits after the day, digits of the fraction of the second.
LAYOUTS = ((4, 0, 0), (4, 1, 0), (4, 2, 0), (4, 3, 0), (4, 3, 3), (2, 2, 0), (2, 3, 0))
SHORT_LAYOUT = (2, 0, 0)  # other numbers of six digits are common


def numbers_in_format(numbers: np.ndarray, form: str) -> Times:
    """Return the times of numbers in a unit since 1970, or of Excel's days."""
    return excel_days(numbers) if form == EXCEL else epoch(numbers, form)


def numbers_as(numbers: np.ndarray, form: str) -> Times | None:
    """Return the times of numbers in a format that was recognised before, by its name; each number for itself.

    Parameters
    ----------
    numbers : ndarray, int64 or float64 [n]
    form : str
        `Times.format` of earlier numbers of the same kind.

    Returns
    -------
    Times or None
        None if a number is no time in this format, or the format is not one of numbers.
    """
    unit = next((unit for unit, name in UNIT_NAMES.items() if form == f"{name} since 1970"), None)
    if unit is not None:
        return epoch(numbers, unit)
    if form in OTHER_EPOCHS:
        return _since(numbers, form)
    begin = (DAY_COUNTS | MODIFIED_DAYS).get(form)
    if begin is not None:
        return _days(numbers, form, begin)
    compact = [_compact(numbers, *layout, ANY_YEARS) for layout in (*LAYOUTS, SHORT_LAYOUT)]
    found = [*compact, _days_of_years(numbers), _months(numbers)]
    return next((times for times in found if times is not None and times.format == form), None)


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
    """Return the times of Excel's days since 1899-12-30."""
    return _days(numbers, EXCEL_DAYS, DAY_COUNTS[EXCEL_DAYS])


def counted_days(numbers: np.ndarray, modified: bool = False) -> Times | None:
    """Return the times of days as Excel, MATLAB and astronomers count them; None if they are not near today.

    Parameters
    ----------
    numbers : ndarray [n]
    modified : bool
        Whether they are modified Julian days.
    """
    for name, begin in (MODIFIED_DAYS if modified else DAY_COUNTS).items():
        if DAYS_AROUND[0] <= numbers.min() - begin and numbers.max() - begin <= DAYS_AROUND[1]:
            return _days(numbers, name, begin)
    return None


def _days(numbers: np.ndarray, name: str, begin: float) -> Times:
    """Return days as times, to the second if all are near one, otherwise to the millisecond."""
    seconds = (numbers.astype(np.float64) - begin) * DAY
    whole = np.rint(seconds)
    milliseconds = whole * 1000 if (np.abs(seconds - whole) < WHOLE_SECONDS).all() else np.rint(seconds * 1000)
    return Times(resolved(milliseconds.astype("datetime64[ms]")), name)


def are_parts_of_days(numbers: np.ndarray) -> bool:
    """Whether the step is a part of a day such as 1/288 that is whole in seconds, and not in decimals."""
    steps = np.diff(numbers)
    usual = np.median(steps)
    step = float(steps[np.abs(steps - usual) <= EVEN * abs(usual)].mean())
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
    if len(numbers) == 0 or not np.isfinite(numbers).all() or (numbers.min() <= 0 and not named):
        return None
    units = zip(EPOCH_UNITS, (1.0, 1e3, 1e6, 1e9), strict=True)
    epochs = [
        epoch(numbers, unit)
        for unit, scale in units
        if (numbers.min() >= EPOCH_FROM * scale or -EPOCH_TO * scale <= numbers.min() <= -EPOCH_FROM * scale)
        and numbers.max() <= EPOCH_TO * scale
    ]
    dates = [_compact(numbers, *layout) for layout in ((*LAYOUTS, SHORT_LAYOUT) if named else LAYOUTS)]
    if named:
        dates.append(_days_of_years(numbers))
    if (months := _months(numbers)) is not None and (
        named or even_share(months.stamps) > even_share(numbers.astype(np.float64) * 1e6)
    ):
        dates.append(months)
    # Dates of other centuries come last: they have to be more even than epochs with the same digits.
    other = [_compact(numbers, *layout, ANY_YEARS) for layout in LAYOUTS if layout[0] == 4] if named else []
    best = max(
        (*filter(None, dates), *epochs, *filter(None, other)), key=lambda times: even_share(times.stamps), default=None
    )
    if best is None or even_share(best.stamps) < least_even:
        return None
    return (named and _other_epoch(numbers, best)) or best


def _other_epoch(numbers: np.ndarray, read: Times) -> Times | None:
    """Return the times of numbers that count from another time than 1970, if only that makes them recent."""
    if not read.format.endswith("since 1970") or is_recent(read.stamps):
        return None
    for name, (per_second, _, _) in OTHER_EPOCHS.items():
        if per_second > 1 and numbers.dtype.kind not in "iu":
            continue
        times = _since(numbers, name)
        if is_recent(times.stamps):
            note = f"numbers such as {numbers[0]} are read as {name}; --time-format reads them as since 1970"
            return replace(times, notes=(note,))
    return None


def _since(numbers: np.ndarray, name: str) -> Times:
    """Return the times of counts from another begin than 1970."""
    per_second, begin, zone = OTHER_EPOCHS[name]
    whole, rest = np.divmod(numbers, per_second)
    stamps = ((whole - begin).astype("datetime64[s]")).astype("datetime64[ns]")
    stamps = stamps + np.rint(rest * (10**9 / per_second)).astype("timedelta64[ns]")
    return Times(stamps, name, zone, np.zeros(len(numbers), np.int32) if zone else None)


def is_recent(stamps: np.ndarray) -> bool:
    """Whether all times are from 1995 to 2046."""
    seconds = stamps.astype("datetime64[s]").astype(np.int64)
    return bool(RECENT[0] <= seconds.min() and seconds.max() <= RECENT[1])


def _months(numbers: np.ndarray) -> Times | None:
    """Read numbers as years and months such as 202401; None if a month does not exist."""
    if (numbers != np.floor(numbers)).any() or numbers.max() >= 10**6:
        return None
    years, months = np.divmod(numbers.astype(np.int64), 100)
    dates, wrong = dates_of(years, months, np.ones_like(years))
    if wrong is not None or years.min() < YEARS[0] or years.max() > YEARS[1]:
        return None
    return Times(resolved(dates), "compact YYYYMM")


def _compact(
    numbers: np.ndarray,
    year_digits: int,
    clock_fields: int,
    fraction_digits: int,
    between: tuple[int, int] = YEARS,
) -> Times | None:
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
    years = full_years(rest) if year_digits == 2 else rest
    dates, wrong = dates_of(years, months, days)
    if wrong is not None or years.min() < between[0] or years.max() > between[1]:
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
