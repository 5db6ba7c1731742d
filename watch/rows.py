"""Rows that arrive, and what was unusual about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

Kind = Literal[
    "late", "repeated", "missing", "rotated", "truncated", "new channel", "lost channel", "clock", "unreadable", "drift"
]


@dataclass(frozen=True)
class Rows:
    """Rows in order of time, ready to be scored.

    Parameters
    ----------
    values : ndarray, float64 [m, C]
        Data units; the channels of training in their order. NaN is a missing value.
    time : ndarray, datetime64[ns] [m], or None
        On the clock of the data; None without times.
    gap : ndarray, bool [m]
        Whether rows are missing before this one, too many to be filled.
    filled : ndarray, bool [m]
        Whether the row itself was missing; its values are NaN.
    """

    values: np.ndarray
    time: np.ndarray | None
    gap: np.ndarray
    filled: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def take(self, pick: slice) -> Self:
        """Return some rows."""
        time = None if self.time is None else self.time[pick]
        return type(self)(self.values[pick], time, self.gap[pick], self.filled[pick])


@dataclass(frozen=True)
class Note:
    """What was unusual in the input.

    Parameters
    ----------
    kind : str
    text : str
        One line.
    row : int
        Number of the input row, from 0.
    """

    kind: Kind
    text: str
    row: int
