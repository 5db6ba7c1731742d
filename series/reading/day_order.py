"""Tell the day from the month in dates such as 01/02/2024."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ape.core.errors import InputError
from ape.series.reading.times import Unreadable, even_share

LEAST_EVEN = 0.9  # share of the steps of dates in two orders that are mixed in one column


class Order(NamedTuple):
    """Dates read in one order of day, month and year; ``wrong`` is the row of the first that does not exist."""

    name: str
    dates: np.ndarray
    wrong: int | None


def choose_order(
    orders: Sequence[Order],
    seconds: np.ndarray,
    mark: str,
    dayfirst: bool | None,
    where: str,
    text: pa.ChunkedArray,
) -> tuple[str, np.ndarray, tuple[str, ...]]:
    """Choose one order of day, month and year: by the option, by the evenness of the steps, or by the dots.

    Parameters
    ----------
    orders : sequence of Order
        The orders that the format can have.
    seconds : ndarray, int64 [n]
        Of the day.
    mark : str
        Between the numbers.
    dayfirst : bool, optional
    where : str
        For error messages.
    text : ChunkedArray of string [n]
        The cells.

    Returns
    -------
    str
        The order.
    ndarray of dates
    notes : tuple of str

    Raises
    ------
    Unreadable
        A date does not exist in any order.
    InputError
        Two orders are equally plausible, the cells are in two orders, or a date does not exist in the given order.
    """
    if len(orders) > 1 and dayfirst is not None:
        given = next(order for order in orders if order.name == ("day first" if dayfirst else "month first"))
        if given.wrong is not None:
            raise InputError(
                f"the time '{_cell(text, given.wrong)}' cannot be read {given.name}",
                where,
                f"leave out {'--dayfirst' if dayfirst else '--no-dayfirst'}",
            )
        return given.name, given.dates, ()
    possible = [order for order in orders if order.wrong is None]
    if not possible:
        raise Unreadable(max(order.wrong or 0 for order in orders))
    if len(possible) == 1:
        _refuse_two_orders(possible[0], orders, seconds, where, text)
        return possible[0].name, possible[0].dates, ()
    evenness = [even_share(order.dates.astype("datetime64[s]") + seconds) for order in possible]
    ranked = np.argsort(evenness)[::-1]
    best, second = possible[ranked[0]], possible[ranked[1]]
    if evenness[ranked[0]] > evenness[ranked[1]] + 1e-3:
        return best.name, best.dates, (f"times are read {best.name}, which gives more even steps than {second.name}",)
    if mark == ".":
        dotted = next((order for order in possible if order.name == "day first"), best)
        return dotted.name, dotted.dates, ("times with dots are read day first",)
    raise InputError(
        f"times such as '{_cell(text, 0)}' may be day first or month first", where, "say --dayfirst or --no-dayfirst"
    )


def _refuse_two_orders(
    order: Order, orders: Sequence[Order], seconds: np.ndarray, where: str, text: pa.ChunkedArray
) -> None:
    """Refuse dates up to the 12th of a month in another order than the others, as Excel leaves them."""
    other = next((each for each in orders if {each.name, order.name} == {"day first", "month first"}), None)
    if other is None:
        return
    days = (order.dates - order.dates.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    mixed = np.where(days <= 12, other.dates, order.dates)
    shares = [even_share(dates.astype("datetime64[s]") + seconds) for dates in (mixed, order.dates)]
    if shares[0] >= LEAST_EVEN and shares[0] > shares[1] + 1e-3:
        rows = int(np.flatnonzero(mixed != order.dates)[0]), int(np.flatnonzero(days > 12)[0])
        raise InputError(
            f"times such as '{_cell(text, rows[0])}' are {other.name}, and others such as '{_cell(text, rows[1])}'"
            f" {order.name}",
            where,
            "write all times in one way, such as 2024-01-31",
        )


def _cell(text: pa.ChunkedArray, row: int) -> str:
    return str(text[row].as_py())[:30]
