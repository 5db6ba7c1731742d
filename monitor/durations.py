"""Durations and numbers in words, and how often a score is expected by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNITS = {  # seconds
    "year": 365.25 * 86_400,
    "month": 365.25 / 12 * 86_400,
    "week": 7 * 86_400.0,
    "day": 86_400.0,
    "hour": 3_600.0,
    "minute": 60.0,
    "second": 1.0,
}
ONE = 0.05  # relative difference up to which a duration is one unit, such as 1 week instead of 7 days
MOST_DECIMALS = 6  # of numbers that are written without an exponent
FARTHEST = 1_000  # training parts: the tail of the normal scores says nothing about rarer ones


@dataclass(frozen=True)
class Expectation:
    """How often a score is expected by chance.

    Parameters
    ----------
    points : int
        Normal points in which one is expected to score as high.
    words : str
        Such as ``4 months``, or ``12,000 points`` where the time step is not known; ``more than 8 years`` if rarer.
    rarer : bool
        Whether it is rarer than can be said, so that ``points`` is the lower limit.
    """

    points: int
    words: str
    rarer: bool

    @property
    def once(self) -> str:
        """Such as ``once in 4 months``, ``once in a month`` or ``less than once in 8 years``."""
        words = self.words.removeprefix("more than ")
        if words.startswith("1 "):
            words = words.replace("1 ", "an " if words == "1 hour" else "a ", 1)
        return f"{'less than ' if self.rarer else ''}once in {words}"


def expectation(score: float, step: float | None, trained: int) -> Expectation:
    """Return how often normal points score as high.

    Parameters
    ----------
    score : float
        Minus log10 of the share of normal points that score as high.
    step : float or None
        Seconds between points.
    trained : int
        Length of the training part, points. At most 1,000 times this length is given.
    """
    limit = FARTHEST * trained
    rarer = bool(score > np.log10(limit))
    points = limit if rarer else max(1, round(10.0**score))
    words = length_text(points, step)
    return Expectation(points, f"more than {words}" if rarer else words, rarer)


def duration_text(seconds: float) -> str:
    """Return a duration in the largest unit of which there are at least two, rounded: ``44 minutes``, ``1 week``."""
    for name, unit in UNITS.items():
        count = seconds / unit
        if abs(count - 1) <= ONE:
            return f"1 {name}"
        if count >= 2:
            return f"{number_text(round(count), 6)} {name}s"
    return f"{number_text(seconds, 2)} seconds"


def count_text(points: int) -> str:
    """Return a number of points with two significant digits: ``12,000 points``."""
    return f"{number_text(points, 2)} point{'s' * (points != 1)}"


def length_text(points: int, step: float | None) -> str:
    """Return a number of points as a duration, or as a count if the seconds between points are not known."""
    return count_text(points) if step is None else duration_text(points * step)


def number_text(value: float, digits: int) -> str:
    """Return a number with so many significant digits, and without an exponent unless it is very small or large."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    size = int(np.floor(np.log10(abs(value))))
    if not -5 <= size <= 14:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - size
    text = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def alike_text(values: Sequence[float], difference: float) -> list[str]:
    """Return numbers with the same decimals: as many as two digits of a difference need, and no common zeros."""
    decimals = 0 if difference == 0 else 1 - int(np.floor(np.log10(abs(difference))))
    if decimals > MOST_DECIMALS:
        return [number_text(value, 3) for value in values]
    rounded = [round(value, decimals) for value in values]
    needed = next((n for n in range(decimals) if [round(value, n) for value in rounded] == rounded), max(decimals, 0))
    return [f"{value:,.{needed}f}" for value in rounded]
