"""Say in one sentence what is unusual in an event, which rule it is like, and how often that happens by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.detectors import Detector
from ape.monitor.event import Event
from ape.monitor.threshold import Threshold
from ape.posttrain.detector import EnhancedDetector
from ape.rules import RuleBank
from ape.series import Series
from ape.series.windows import Segments


@dataclass(frozen=True)
class Context:
    """What events are explained with.

    Parameters
    ----------
    series : Series
        As the detector scores it.
    normal : ndarray, float32 [n, C], or None
        Normal values that the series is compared with, minus the offsets of the channels; None if there are none.
    segments : sequence of (int, int)
        Contiguous stretches of ``normal``.
    threshold : Threshold
    bank : RuleBank or None
    text : str
        Name of the text that the bank quotes.
    """

    series: Series
    normal: np.ndarray | None
    segments: Segments
    threshold: Threshold
    bank: RuleBank | None
    text: str

    @classmethod
    def of(
        cls,
        detector: Detector | EnhancedDetector,
        series: Series,
        threshold: Threshold,
        bank: RuleBank | None,
        text: str,
    ) -> Context:
        """Take the normal values of an enhanced detector, or the training part of the series if it has one."""
        if isinstance(detector, EnhancedDetector):
            normal = detector.normal
            return cls(series, normal.values, normal.segments, threshold, bank or detector.bank, text)
        if series.train_end is not None:
            return cls(series, series.train, series.train_segments, threshold, bank, text)
        return cls(series, None, (), threshold, bank, text)


def reason(event: Event, context: Context) -> str:
    """Return one sentence about an event."""
    series = context.series
    first, last = series.time_text(event.begin), series.time_text(event.end - 1)
    when = f"{first} to {last}" if first else f"positions {event.begin} to {event.end - 1}"
    return f"{when}, {', '.join(name for name, _ in event.channels)}: score {event.score:.1f}"
