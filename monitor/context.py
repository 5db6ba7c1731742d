"""What the events of a series are explained with: the normal values that they are compared with, and the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ape.detectors import Detector
from ape.monitor.spans import Span
from ape.monitor.threshold import Threshold
from ape.posttrain.detector import EnhancedDetector
from ape.rules import RuleBank
from ape.series import Series
from ape.series.numerics import channel_scale
from ape.series.series import runs
from ape.series.windows import Segments, points

FLAT = 0.1  # of the other channels' scale: that of a channel that is constant in normal data


@dataclass(frozen=True, eq=False)
class Context:
    """What events are explained with.

    Parameters
    ----------
    series : Series
        As the detector scores it.
    abnormal : ndarray, bool [T]
        Points of the series in any event.
    normal : ndarray, float32 [n, C]
        Normal values that the series is compared with, minus the offsets of the channels.
    usable : ndarray, bool [n]
        Which points of ``normal`` count.
    segments : sequence of (int, int)
        Contiguous stretches of them.
    threshold : Threshold
    bank : RuleBank or None
    text : str
        Name of the text that the bank quotes.
    """

    series: Series
    abnormal: np.ndarray
    normal: np.ndarray
    usable: np.ndarray
    segments: Segments
    threshold: Threshold
    bank: RuleBank | None
    text: str

    @classmethod
    def of(
        cls,
        detector: Detector | EnhancedDetector,
        series: Series,
        alarms: Sequence[Span],
        threshold: Threshold,
        bank: RuleBank | None,
        text: str | None,
    ) -> Context:
        """Take the normal values of an enhanced detector, or else those of the series.

        The normal values of a series are its training part. If the whole series is the training part, or if nothing of
        it is usable, they are what lies outside of the events. Without a name, the text is "the notes".
        """
        abnormal = np.zeros(series.length, dtype=bool)
        for span in alarms:
            abnormal[span.begin : span.end] = True
        normal: np.ndarray = series.values
        usable, cuts = ~abnormal, [gap.position for gap in series.gaps]
        if isinstance(detector, EnhancedDetector):
            normal, bank = detector.normal.values, bank or detector.bank
            usable, cuts = detector.normal.is_clean.copy(), [begin for begin, _ in detector.normal.segments if begin]
            if detector.begins(series):
                usable[: series.length] &= ~abnormal[: len(usable)]
        elif series.train_segments and series.train_end is not None:
            normal, usable = series.train, np.zeros(series.train_end, dtype=bool)
            usable[points(series.train_segments)] = True
            cuts = [begin for begin, _ in series.train_segments if begin]
        begins, ends = runs(usable, cuts)
        segments = list(zip(begins.tolist(), ends.tolist(), strict=True))
        return cls(series, abnormal, normal, usable, segments, threshold, bank, text or "the notes")

    @cached_property
    def points(self) -> np.ndarray:
        """Positions of all normal points, int64."""
        return points(self.segments)

    @cached_property
    def scale(self) -> np.ndarray:
        """Standard deviation of each channel in normal data, float64 [C]."""
        return channel_scale(self.normal[self.points], FLAT)

    @cached_property
    def centre(self) -> np.ndarray:
        """Mean of each channel in normal data, float64 [C]."""
        return np.asarray(self.normal[self.points].mean(axis=0, dtype=np.float64))

    def channel(self, name: str) -> int:
        """Return the column of a channel."""
        return self.series.channels.index(name)

    def values(self, begin: int, end: int) -> np.ndarray:
        """Return values of the series in data units, float64 [end - begin, C]."""
        offset = 0.0 if self.series.offset is None else self.series.offset
        return np.asarray(self.series.values[begin:end].astype(np.float64) + offset)
