"""Alarms of any score, raised as in production, and how many of them are false where some number was promised."""

from __future__ import annotations

import numpy as np

from ape.evals.metrics import alerts
from ape.monitor.answer import young_points
from ape.monitor.spans import spans
from ape.monitor.threshold import FEWEST
from ape.posttrain.discriminator.tail import Tail
from ape.series import Series
from ape.series.windows import points

PROMISED = (1, 5, 20, 50)  # false alarms in a time as long as the training part; the figures of events are those of 1


def alarm_figures(series: Series, labels: np.ndarray, score: np.ndarray, calibrated: bool) -> dict[str, float | None]:
    """Return the figures of the alarms that a score raises after the training part.

    Parameters
    ----------
    series : Series
        If it has no training part, all of it is, and alarms are counted there.
    labels : ndarray, bool [T]
    score : ndarray [T]
        NaN where there is none.
    calibrated : bool
        Whether it is minus log10 of the share of normal points that score as high. Other scores are calibrated on the
        training part, as those of plain detectors are.

    Returns
    -------
    dict of float or None
        ``caught``, ``fitting``, ``pieces`` and ``covered`` where one false alarm is accepted in a time as long as the
        training part; ``false N`` for each N of `PROMISED`, false alarms for each promised one. See
        `ape.evals.metrics.alerts`. None where that is undefined, and where N are too many for a short training part.
    """
    if not calibrated:
        score = in_normal_points(series, score)
    first, trained = series.train_end or 0, series.train_end or series.length
    figures: dict[str, float] = {}
    for number in PROMISED:
        every = trained / number
        found = alerts(labels[first:], alarms(series, score, float(np.log10(every))), every)
        if number == 1:
            figures |= {name: value for name, value in found._asdict().items() if name != "false"}
        figures[f"false {number}"] = found.false if every >= FEWEST else np.nan
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def in_normal_points(series: Series, score: np.ndarray) -> np.ndarray:
    """Return minus log10 of the share of points of the training part that score as high, float [T]."""
    normal = score[points(series.train_segments)]
    return Tail.fit(normal[np.isfinite(normal)])(score)


def alarms(series: Series, score: np.ndarray, level: float) -> np.ndarray:
    """Return begin and end (exclusive) of each alarm after the training part, counted from its end, int64 [N, 2]."""
    first = series.train_end or 0
    later = np.concatenate([np.full(first, -np.inf), score[first:]])
    found = spans(later, level, [gap.position for gap in series.gaps], young_points(series))
    return np.array([(span.begin - first, span.end - first) for span in found], dtype=np.int64).reshape(-1, 2)
