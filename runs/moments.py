"""Points of a whole series from rows of its file, or from times as people write them."""

from __future__ import annotations

from ape.series import Series
from ape.tools.moments import position_in


def place_of(series: Series, moment: int | str, *, ends: bool = False) -> int:
    """Return the point of a moment; ``ends``: the point after the last one that belongs to it.

    Parameters
    ----------
    series : Series
    moment : int or str
        A row of the file from 0, or a time on the clock of the file; a day as a whole.
    ends : bool

    Raises
    ------
    ValueError
        It is no such moment, or outside the series.
    """
    if isinstance(moment, str) and not moment.strip().isdecimal():
        return position_in(series, moment, ends=ends)
    row, rows = int(moment), series.row_points
    if not 0 <= row < len(rows):
        msg = f"there is no row {row}: the file has rows 0 to {len(rows) - 1}"
        raise ValueError(msg)
    return int(rows[row]) + ends
