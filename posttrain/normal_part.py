"""The normal part of a series: its training part without suspicious places, and the split for acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ape.core.errors import InputError
from ape.posttrain.filtering import Suspect, describe_suspicious, unlike_others
from ape.posttrain.training_windows import TrainingWindows, window_starts
from ape.series import Series
from ape.series.coverage import MOST, covering
from ape.series.series import runs
from ape.series.windows import Segments, clip, count_points, overlap_mean, points, usable

WINDOWS = 6  # that a training part has at least, so that some can be learnt from and others held out
SHORTEST = 32  # samples, of a window of a short training part
HELD_OUT_SHARE = 0.25
MAX_HELD_OUT = 10_000  # points
NEWEST = 12_500  # points of a long training part that are all used
FAR = 1.0  # width of the training range, beyond which a value is far outside of it
SUSPICIOUS_SHARE = 0.5  # of the windows that cover a point, from which on it is no reference


class TooShortError(InputError):
    """The training part has too few normal points to train on some and hold out others."""


@dataclass(frozen=True)
class NormalPart:
    """Points that are taken as normal.

    Parameters
    ----------
    values : ndarray, float32 [n, C]
        The training part of a series, data units.
    segments : sequence of (int, int)
        Its stretches without gaps and missing values, see `Series.train_segments`; of a long one a sample of them.
    clean : sequence of (int, int)
        Stretches of the segments without suspicious places. References, hosts and calibration lie within one of them.
    """

    values: np.ndarray
    segments: Segments
    clean: Segments

    @cached_property
    def is_clean(self) -> np.ndarray:
        """Whether each point lies in a clean stretch, bool [n]."""
        mask: np.ndarray = np.zeros(len(self.values), dtype=bool)
        mask[points(self.clean)] = True
        return mask

    @property
    def sampled(self) -> bool:
        """Whether the segments are a sample of a long training part."""
        return len(self.values) > MOST >= count_points(self.segments)

    def far(self, values: np.ndarray) -> np.ndarray:
        """Return which values [T, C] are farther outside the range of clean points than its width, bool [T, C]."""
        clean = self.values[self.is_clean]
        low, high = clean.min(axis=0), clean.max(axis=0)
        return (values < low - FAR * (high - low)) | (values > high + FAR * (high - low))

    def before(self, end: int) -> NormalPart:
        """Return the part before a point."""
        return NormalPart(self.values[:end], clip(self.segments, 0, end), clip(self.clean, 0, end))


@dataclass(frozen=True)
class Profile:
    """The normal part of a series, and the suspicious windows in its training part.

    Parameters
    ----------
    normal : NormalPart
    held_out : int
        Begin of the stretch at its end on which acceptance and calibration are based.
    suspicious : ndarray, int64
        Starts of the windows that the filter removed, in order.
    summary : dict
        Plain values for the report: counts, and where suspicious windows are.
    """

    normal: NormalPart
    held_out: int
    suspicious: np.ndarray
    summary: dict[str, Any]

    @property
    def learnt(self) -> NormalPart:
        """The part before the held-out stretch."""
        return self.normal.before(self.held_out)


def profile(
    series: Series, window: int, shift: torch.Tensor, scale: torch.Tensor, suspect: Suspect = unlike_others
) -> Profile:
    """Find suspicious places of the training part, and choose what is held out.

    Windows are compared with all others. A training part that is shorter than six windows is cut into shorter ones.

    Parameters
    ----------
    series : Series
        Without ``train_end`` the filter is stricter, because the training data may contain anomalies.
    window : int
    shift, scale : Tensor [C]
        Standardise the windows.
    suspect : callable
        ``suspect(windows, vouched)`` returns which windows are suspicious.

    Raises
    ------
    TooShortError
        The training part is shorter than six windows of 32 samples, or all of one of the parts is suspicious.
    """
    values = np.ascontiguousarray(series.train)
    segments = covering(values, series.train_segments, NEWEST)
    window = _fitting_window(series, segments, window)
    long = usable(segments, window)
    positions = window_starts(long, window)
    windows = TrainingWindows.cut(values, positions, window, shift, scale)
    suspicious = suspect(windows, series.train_end is not None)
    share = overlap_mean(np.repeat(suspicious[:, None], window, 1), positions, len(values))
    clean = _stretches_of(share < SUSPICIOUS_SHARE, segments)
    n = count_points(long)
    held_out = int(points(long)[-min(max(int(HELD_OUT_SHARE * n), window), MAX_HELD_OUT)])
    learnt, rest = (usable(clip(clean, *part), window) for part in ((0, held_out), (held_out, len(values))))
    if not learnt or not rest:
        raise TooShortError(
            "all windows in the first or the last part of the training data are unlike the others",
            series.name,
            "give more training points, or end the training part before the series changes",
        )
    summary = {
        "training_points": count_points(series.train_segments),
        "points_sampled": count_points(segments),
        "window": window,
        "windows_profiled": len(positions),
        "windows_left_out": int(suspicious.sum()),
        "points_left_out": count_points(segments) - count_points(clean),
        "held_out_from": held_out,
        **describe_suspicious(series, windows, suspicious),
    }
    return Profile(NormalPart(values, segments, clean), held_out, positions[suspicious], summary)


def _fitting_window(series: Series, segments: Segments, window: int) -> int:
    """Return the window, or half of it and so on until the training part is as long as six."""
    while count_points(usable(segments, window)) < WINDOWS * window:
        if window // 2 < min(SHORTEST, window):
            raise TooShortError(
                f"{count_points(segments)} training points are too few to post-train",
                series.name,
                f"give at least {WINDOWS * SHORTEST} training points without gaps",
            )
        window //= 2
    return window


def _stretches_of(mask: np.ndarray, segments: Segments) -> Sequence[tuple[int, int]]:
    """Return the runs of true values of a mask [n], cut where segments begin."""
    begins, ends = runs(mask, [begin for begin, _ in segments if begin])
    return tuple(zip(begins.tolist(), ends.tolist(), strict=True))
