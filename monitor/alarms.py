"""Where a score raises alarms in a series: after the training part, not across gaps, not on provisional scores."""

from __future__ import annotations

import numpy as np

from ape.monitor.spans import Span, spans
from ape.posttrain.following import missing_points
from ape.series import Series

YOUNG = 32  # samples after a point, before it can raise an alarm


def alarms(series: Series, score: np.ndarray, level: float) -> list[Span]:
    """Return the spans after the training part in which the score [T] reaches a level, in order of time."""
    first = series.train_end or 0
    later = np.concatenate([np.full(first, -np.inf), score[first:]])
    return spans(later, level, [gap.position for gap in series.gaps], young_points(series))


def young_points(series: Series) -> np.ndarray:
    """Return which points have too few others after them to raise an alarm, bool [T].

    Their scores are calibrated at some places of the training part only, which is too few for a rare alarm. Missing
    values raise one at once.
    """
    young = np.zeros(series.length, dtype=bool)
    for _, end in series.segments:
        young[max(0, end - YOUNG) : end] = True
    return young & ~missing_points(series)
