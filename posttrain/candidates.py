"""Split the windows of the training part into those to train on and those held out for acceptance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ape.core.errors import InputError
from ape.posttrain.filtering import Suspect, describe_suspicious, unlike_others
from ape.posttrain.reference_windows import ReferenceWindows, reference_starts
from ape.series import Series
from ape.series.windows import Segments, clip, count_points, points, starts, usable

MAX_HELD_OUT = 2000
HELD_OUT_SHARE = 0.25


class TooShortError(InputError):
    """The training part has too few normal windows to train on some and hold out others."""


@dataclass(frozen=True)
class Candidates:
    """The normal part, split and filtered.

    Parameters
    ----------
    values : ndarray, float32 [n, C]
        The training part of the series, data units.
    segments : sequence of (int, int)
        Its stretches without gaps, see `Series.train_segments`.
    reference_windows : ReferenceWindows
        All of its windows that look normal.
    fit : ndarray, int64
        Starts of the windows to train on.
    held_out : tuple of int
        Begin and end of the stretch for acceptance and calibration. A gap of one window precedes it.
    suspicious : ndarray, int64
        Starts that the filter removed, from both parts.
    where : dict
        Description of the suspicious windows, see `describe_suspicious`.
    """

    values: np.ndarray
    segments: Segments
    reference_windows: ReferenceWindows
    fit: np.ndarray
    held_out: tuple[int, int]
    suspicious: np.ndarray
    where: dict[str, Any]

    def held_out_starts(self) -> np.ndarray:
        """Return the starts of held-out windows that are not suspicious, int64; a regular subset if there are many."""
        (begin, end), window = self.held_out, self.reference_windows.window
        positions = starts(self.held_out_segments(), window, max(1, (end - begin) // MAX_HELD_OUT))
        return positions[~near(positions, self.suspicious, window // 2)]

    def held_out_segments(self) -> list[tuple[int, int]]:
        """Return the stretches of the held-out part."""
        return clip(self.segments, *self.held_out)

    def summary(self) -> dict[str, Any]:
        """Return plain values for the report."""
        return {
            "training_points": count_points(self.segments),
            "windows_profiled": len(self.reference_windows.starts) + len(self.suspicious),
            "windows_left_out": len(self.suspicious),
            "windows_to_learn_from": len(self.fit),
            "held_out_from": self.held_out[0],
            **self.where,
        }


def near(positions: np.ndarray, others: np.ndarray, distance: int) -> np.ndarray:
    """Return whether each position is within ``distance`` of one of the sorted ``others``."""
    if len(others) == 0:
        return np.zeros(len(positions), dtype=bool)
    after = np.searchsorted(others, positions).clip(max=len(others) - 1)
    before = (after - 1).clip(min=0)
    return np.minimum(np.abs(others[after] - positions), np.abs(positions - others[before])) <= distance


def profile(
    series: Series, window: int, shift: torch.Tensor, scale: torch.Tensor, suspect: Suspect = unlike_others
) -> Candidates:
    """Cut the training part into windows, remove the suspicious ones, and split the rest.

    A suspicious window is not used for training, as a reference, or for calibration.

    Parameters
    ----------
    series : Series
        Without ``train_end`` the filter is stricter, because the training data may contain anomalies.
    window : int
    shift, scale : Tensor [C]
        Standardise the windows.
    suspect : callable
        ``suspect(reference_windows, vouched)`` returns which windows are suspicious.

    Raises
    ------
    TooShortError
        The training part is shorter than six windows, or all windows of one of the parts are suspicious.
    """
    values, segments = np.ascontiguousarray(series.train), series.train_segments
    long = usable(segments, window)
    n = count_points(long)
    if n < 6 * window:
        raise TooShortError(
            f"{n} training points are too few to post-train with a window of {window}",
            series.name,
            f"give at least {6 * window} training points or use a detector with a shorter window",
        )
    positions = reference_starts(long, window)
    all_windows = ReferenceWindows.build(values, segments, positions, window, shift, scale)
    suspicious = suspect(all_windows, series.train_end is not None)
    held_begin = int(points(long)[-min(max(int(HELD_OUT_SHARE * n), 4 * window), int(0.4 * n))])
    normal = positions[~suspicious]
    candidates = Candidates(
        values=values,
        segments=segments,
        reference_windows=ReferenceWindows.build(values, segments, normal, window, shift, scale),
        fit=normal[normal + 2 * window <= held_begin],
        held_out=(held_begin, len(values)),
        suspicious=positions[suspicious],
        where=describe_suspicious(series, all_windows, suspicious),
    )
    if len(candidates.fit) == 0 or len(candidates.held_out_starts()) == 0:
        raise TooShortError(
            "all windows in the first or the last part of the training data are unlike the others",
            series.name,
            "give more training points, or end the training part before the series changes",
        )
    return candidates
