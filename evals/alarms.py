"""Alarms of any score, raised as in production, and how many of them are false where some number was promised."""

from __future__ import annotations

import numpy as np

from ape.evals.metrics import affiliation, alerts
from ape.monitor.alarms import alarms
from ape.monitor.threshold import FEWEST, training_tail
from ape.series import Series

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
        ``caught``, ``fitting``, ``f1``, ``pieces`` and ``covered``, and the F1 ``affiliation`` of the points in alarms,
        where one false alarm is accepted in a time as long as the training part; ``false N`` for each N of `PROMISED`,
        false alarms for each promised one. See `ape.evals.metrics`. None where that is undefined, and where N are too
        many for a short training part.
    """
    if not calibrated:
        score = training_tail(series, score)(score)
    first, trained = series.train_end or 0, series.train_end or series.length
    figures: dict[str, float] = {}
    for number in PROMISED:
        every = trained / number
        raised = [(span.begin - first, span.end - first) for span in alarms(series, score, float(np.log10(every)))]
        found = alerts(labels[first:], raised, every)
        if number == 1:
            figures |= {name: value for name, value in found._asdict().items() if name != "false"}
            in_alarms = np.zeros(len(labels) - first, dtype=bool)
            for begin, end in raised:
                in_alarms[begin:end] = True
            if labels[first:].any():
                figures["affiliation"] = affiliation(labels[first:], in_alarms).f1
        figures[f"false {number}"] = found.false if every >= FEWEST else np.nan
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}
