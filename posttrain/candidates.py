"""Context profile of the normal part: which windows may be learned from, and which are kept for judging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ape.core.errors import InputError
from ape.posttrain.filtering import Suspect, left_out, unlike_others
from ape.posttrain.memory import Memory, reference_starts
from ape.series import Series
from ape.series.windows import starts

MAX_HELD_OUT = 2000
HELD_OUT_SHARE = 0.25


class TooShortError(InputError):
    """The training part holds too few normal windows to learn from some and judge by others."""


@dataclass(frozen=True)
class Candidates:
    """The normal part, split and filtered.

    Parameters
    ----------
    values : ndarray, float32 [n, C]
        The training part of the series, data units.
    memory : Memory
        All windows of it that look normal.
    fit : ndarray, int64
        Starts of the windows to learn from.
    held_out : tuple of int
        Begin and end of the stretch kept for acceptance and calibration; a gap of a window lies before it.
    suspicious : ndarray, int64
        Starts that the filter left out, from both parts.
    where : dict
        Where these lie, see `left_out`.
    """

    values: np.ndarray
    memory: Memory
    fit: np.ndarray
    held_out: tuple[int, int]
    suspicious: np.ndarray
    where: dict[str, Any]

    def held_out_starts(self) -> np.ndarray:
        """Starts of held-out windows, int64, evenly spread where they are many, the suspicious ones left out."""
        begin, end = self.held_out
        positions = begin + starts(end - begin, self.memory.window, max(1, (end - begin) // MAX_HELD_OUT))
        return positions[~near(positions, self.suspicious, self.memory.window // 2)]

    def summary(self) -> dict[str, Any]:
        """Plain values for the report."""
        return {
            "training_points": len(self.values),
            "windows_profiled": len(self.memory.starts) + len(self.suspicious),
            "windows_left_out": len(self.suspicious),
            "windows_to_learn_from": len(self.fit),
            "held_out_from": self.held_out[0],
            **self.where,
        }


def near(positions: np.ndarray, others: np.ndarray, distance: int) -> np.ndarray:
    """Whether each position lies within ``distance`` of one of the sorted ``others``."""
    if len(others) == 0:
        return np.zeros(len(positions), dtype=bool)
    after = np.searchsorted(others, positions).clip(max=len(others) - 1)
    before = (after - 1).clip(min=0)
    return np.minimum(np.abs(others[after] - positions), np.abs(positions - others[before])) <= distance


def profile(
    series: Series, window: int, shift: torch.Tensor, scale: torch.Tensor, suspect: Suspect = unlike_others
) -> Candidates:
    """Cut the training part into windows, leave the suspicious ones out, and split the rest.

    A suspicious window is neither learned from, nor a reference, nor used for calibration.

    Parameters
    ----------
    series : Series
        Without ``train_end`` the filter is stricter, since anomalies may be among the training data.
    window : int
    shift, scale : Tensor [C]
        What windows are standardised by.
    suspect : callable
        ``suspect(memory, vouched)`` says which windows are suspicious.

    Raises
    ------
    TooShortError
        The training part holds fewer than six windows side by side, or its end is suspicious throughout.
    """
    values = np.ascontiguousarray(series.train)
    n = len(values)
    if n < 6 * window:
        raise TooShortError(
            f"{n} training points are too few to post-train with a window of {window}",
            series.name,
            f"give at least {6 * window} training points or use a detector with a shorter window",
        )
    positions = reference_starts(n, window)
    everything = Memory.build(values, positions, window, shift, scale)
    suspicious = suspect(everything, series.train_end is not None)
    held_begin = n - min(max(int(HELD_OUT_SHARE * n), 4 * window), int(0.4 * n))
    kept = positions[~suspicious]
    candidates = Candidates(
        values=values,
        memory=Memory.build(values, kept, window, shift, scale),
        fit=kept[kept + 2 * window <= held_begin],
        held_out=(held_begin, n),
        suspicious=positions[suspicious],
        where=left_out(values, everything, suspicious),
    )
    if len(candidates.fit) == 0 or len(candidates.held_out_starts()) == 0:
        raise TooShortError(
            "windows of the first or the last part of the training data look unlike all others throughout",
            series.name,
            "give more training points, or end the training part before things change",
        )
    return candidates
