"""Bring a series into the form that a detector was trained on, and score what it cannot measure."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ape.core.errors import InputError
from ape.series import Requirements, Series, aligned

FARTHEST = 1e9  # training deviations: squares of it, and their sums, are finite in float32
MISSING_ERROR = 100.0  # squared standardised residual of a missing value: that of ten training deviations


class _Standardises(Protocol):
    @property
    def shift_and_scale(self) -> tuple[Tensor, Tensor]: ...


class _HasWindow(Protocol):
    @property
    def window(self) -> int: ...


@runtime_checkable
class _CountsChannels(Protocol):
    def require_channels(self, series: Series) -> None: ...


def required_by(detector: object) -> Requirements | None:
    """Return what a detector requires of a series; None for detectors of other packages, which do not say."""
    return getattr(detector, "required", None)


def prepared(detector: _Standardises, series: Series) -> Series:
    """Return a series as the detector scores it.

    Channels are matched by name and put into the order of training, values become relative to the offsets of
    training, values of dead sensors count as missing, and values far outside the training range are moved to where
    their scores are finite.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series

    Raises
    ------
    InputError
        A channel is missing, or the number of channels differs.
    """
    required = required_by(detector)
    if required is not None:
        series = aligned(series, required)
    if isinstance(detector, _CountsChannels):
        detector.require_channels(series)
    shift, scale = (part.detach().cpu().double().numpy() for part in detector.shift_and_scale)
    largest = np.finfo(np.float32).max
    low, high = (np.float32((shift + sign * FARTHEST * scale).clip(-largest, largest)) for sign in (-1, 1))
    if (series.values.min(axis=0) < low).any() or (series.values.max(axis=0) > high).any():
        return replace(series, values=series.values.clip(low, high))
    return series


def require_window(detector: _HasWindow, series: Series, where: str) -> None:
    """Refuse a series that is shorter than a window of the detector.

    Raises
    ------
    InputError
        Names ``where`` the series comes from.
    """
    longest = max(end - begin for begin, end in series.segments)
    if longest < detector.window:
        stretch = " of the longest stretch without a gap" if series.gaps else ""
        what = f"{longest} points{stretch} are fewer than a window of {detector.window}"
        raise InputError(what, where, "give a longer series")


def with_missing(score: np.ndarray, series: Series, least: float | np.ndarray) -> np.ndarray:
    """Raise the score of points with missing values to the highest score of the others, and at least to ``least``.

    A sensor that delivers nothing is a fault, which held values would hide.

    Parameters
    ----------
    score : ndarray, float32 [T]
    series : Series
    least : float or ndarray [T]

    Returns
    -------
    ndarray, float32 [T]
    """
    if series.missing is None:
        return score
    missing = series.missing.any(axis=1)
    known = score[~missing & np.isfinite(score)]
    floor = np.maximum(least, known.max(initial=0.0))
    return np.where(missing, np.maximum(score, floor), score).astype(np.float32)


def missing_error(series: Series) -> float | np.ndarray:
    """Return the least reconstruction error of each point by its missing values, [T]: mean over the channels."""
    return 0.0 if series.missing is None else MISSING_ERROR * series.missing.mean(axis=1)
