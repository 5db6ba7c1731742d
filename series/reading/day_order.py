"""Tell the day from the month in dates such as 01/02/2024."""

from __future__ import annotations

import numpy as np

from ape.core.errors import InputError
from ape.series.reading.times import even_share


def choose_order(
    choices: list[tuple[str, np.ndarray]],
    seconds: np.ndarray,
    mark: str,
    dayfirst: bool | None,
    where: str,
    example: str,
) -> tuple[str, np.ndarray, tuple[str, ...]]:
    """Choose one order of day, month and year: by the option, by the evenness of the steps, or by the dots.

    Parameters
    ----------
    choices : list of (str, ndarray of dates)
        The orders in which all dates exist.
    seconds : ndarray, int64 [n]
        Of the day.
    mark : str
        Between the numbers.
    dayfirst : bool, optional
    where, example : str
        For error messages.

    Returns
    -------
    str
        The order.
    ndarray of dates
    notes : tuple of str

    Raises
    ------
    InputError
        Two orders are equally plausible.
    """
    if len(choices) > 1 and dayfirst is not None:
        wanted = "day first" if dayfirst else "month first"
        choices = [choice for choice in choices if choice[0] == wanted] or choices
    if len(choices) == 1:
        return *choices[0], ()
    evenness = [even_share(dates.astype("datetime64[s]") + seconds) for _, dates in choices]
    order = np.argsort(evenness)[::-1]
    best, second = choices[order[0]], choices[order[1]]
    if evenness[order[0]] > evenness[order[1]] + 1e-3:
        return *best, (f"times are read {best[0]}, which gives more even steps than {second[0]}",)
    if mark == ".":
        dotted = next((choice for choice in choices if choice[0] == "day first"), best)
        return *dotted, ("times with dots are read day first",)
    raise InputError(
        f"times such as '{example[:30]}' may be day first or month first", where, "say --dayfirst or --no-dayfirst"
    )
