"""What scores the rows of an epoch: an enhanced detector that is followed, or a plain one on the last windows."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from ape.detectors import Detector
from ape.monitor.threshold import Threshold
from ape.posttrain.assessment import Assessment
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.discriminator.windows import steps_for
from ape.posttrain.following import MISSING
from ape.series import Series
from ape.series.series import Gap


class Engine(Protocol):
    """What scores the rows of an epoch."""

    latency: int
    step: int  # rows between the starts of its longest windows
    final: int  # row after the last final score

    @property
    def highest(self) -> float:
        """Highest final score so far, which missing values get."""

    def begin(self, row: int, highest: float) -> None:
        """Begin an epoch with a row."""

    def feed(self, series: Series, gap: bool) -> np.ndarray:
        """Append rows and return the scores that became final."""

    def newest(self) -> np.ndarray:
        """Return the provisional scores of the others."""


class Followed:
    """An enhanced detector."""

    def __init__(self, detector: EnhancedDetector) -> None:
        # Standstills are found over all rows, see `History`: those within a piece depend on how rows are cut.
        self.detector = replace(detector, required=replace(detector.required, standstills=()))
        self.latency = detector.latency
        self.step = max(1, self.latency // steps_for(len(detector.bank.context.channels)))

    @property
    def highest(self) -> float:
        """Highest final score so far."""
        return self.follower.highest.value

    def begin(self, row: int, highest: float) -> None:
        """Follow from a row on."""
        self.follower = self.detector.follow(continues=False)
        self.follower.highest.value = highest
        self.final = row

    def feed(self, series: Series, gap: bool) -> np.ndarray:
        """Append rows and return the scores that became final."""
        found = self.follower.add(series, gap)
        self.final += len(found)
        return found

    def newest(self) -> np.ndarray:
        """Return the provisional scores of the others."""
        return self.follower.newest().score


class Windowed:
    """A plain detector: all windows that cover a row without a final score are scored again."""

    def __init__(self, detector: Detector, threshold: Threshold) -> None:
        self.detector, self.threshold = detector, threshold
        self.latency, self.step = detector.window - 1, 1
        self.highest = MISSING

    def begin(self, row: int, highest: float) -> None:
        """Forget the rows before."""
        self.final, self.highest = row, highest
        self._tail: Series | None = None
        self._scores = np.zeros(0, np.float32)
        self._before = 0  # rows of the tail that have a final score

    def feed(self, series: Series, gap: bool) -> np.ndarray:
        """Append rows and return the scores that became final."""
        self._tail = series if self._tail is None else _appended(self._tail, series, gap)
        score = self._scored(self._tail)[self._before :]
        last = max([at.position for at in self._tail.gaps], default=0)
        done = max(self._tail.length - self.latency, last, self._before) - self._before
        self._scores, found = score[done:], score[:done]
        self.final += done
        drop = max(0, self._before + done - self.latency)
        self._tail = _since(self._tail, drop)
        self._before += done - drop
        return found

    def newest(self) -> np.ndarray:
        """Return the provisional scores of the others."""
        return self._scores

    def _scored(self, series: Series) -> np.ndarray:
        """Return calibrated scores, float32 [T]; NaN where no window fits."""
        longest = max(end - begin for begin, end in series.segments)
        if longest < self.detector.window:
            return np.full(series.length, np.nan, np.float32)
        error = self.detector.score(series, stride=1)
        shares = np.zeros((series.length, series.n_channels), np.float32)
        return np.asarray(self.threshold.score(Assessment(error, shares)), dtype=np.float32)


def _appended(series: Series, more: Series, gap: bool) -> Series:
    """Append points to a series."""

    def joined(name: str) -> np.ndarray | None:
        parts = [getattr(each, name) for each in (series, more)]
        if all(part is None for part in parts):
            return None
        empty = [np.zeros(each.values.shape, dtype=bool) for each in (series, more)]
        return np.concatenate([e if part is None else part for part, e in zip(parts, empty, strict=True)])

    time = None
    if series.timestamps is not None and more.timestamps is not None:
        time = np.concatenate([series.timestamps, more.timestamps])
    return replace(
        series,
        values=np.concatenate([series.values, more.values]),
        timestamps=time,
        missing=joined("missing"),
        dead=joined("dead"),
        gaps=(*series.gaps, *([Gap(series.length, 1, 0.0)] if gap else [])),
    )


def _since(series: Series, first: int) -> Series:
    """Return the points from ``first`` on."""

    def cut(mask: np.ndarray | None) -> np.ndarray | None:
        return None if mask is None or not mask[first:].any() else mask[first:]

    return replace(
        series,
        values=series.values[first:],
        timestamps=None if series.timestamps is None else series.timestamps[first:],
        missing=cut(series.missing),
        dead=cut(series.dead),
        gaps=tuple(replace(gap, position=gap.position - first) for gap in series.gaps if gap.position > first),
    )
