"""Describe an event that is going on, as the answer to the rows that are kept describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ape.core.errors import InputError
from ape.monitor.answer import Answer, answer
from ape.monitor.event_files import event_records
from ape.monitor.times import span_text
from ape.watch.scorer import LiveScorer

PLACES = ("start", "end", "peak")


@dataclass(frozen=True)
class Described:
    """What is known about some rows with high scores.

    Parameters
    ----------
    first : int
        First row that was looked at.
    event : dict or None
        As in ``events.json``, with rows counted from the first ever. None: it is no event.
    quiet : str
        Why it is none.
    """

    first: int
    event: dict[str, Any] | None
    quiet: str = ""


class Describer:
    """Describes events of a scorer.

    Parameters
    ----------
    scorer : LiveScorer
    text : str, optional
        Name of the file with the text that the bank quotes.
    """

    def __init__(self, scorer: LiveScorer, text: str | None = None) -> None:
        self.scorer, self.text = scorer, text
        self._known = -1
        self._answer: Answer | None = None

    def __call__(self, begin: int, end: int) -> Described:
        """Describe rows ``begin`` to ``end`` (exclusive)."""
        first = self.scorer.start
        begin = max(begin, first)
        found = self._found()
        if found is None:
            return Described(first, self._unexplained(begin, end))
        records = [_moved(record, first) for record in event_records(found)]
        common = [_common(record["start"], record["end"], begin, end) for record in records]
        if max(common, default=0) > 0:
            return Described(first, records[int(np.argmax(common))])
        quiet = (each.reason for each in found.quiet if _common(each.begin + first, each.end + first, begin, end) > 0)
        return Described(first, None, next(quiet, "all scores are known now, and none is high enough"))

    def _found(self) -> Answer | None:
        """Return the answer to the rows that are kept; None if they are fewer than a window."""
        if self._known != self.scorer.known:
            self._known = self.scorer.known
            try:
                self._answer = answer(self.scorer.detector, self.scorer.series(), self.scorer.threshold, text=self.text)
            except InputError:
                self._answer = None
        return self._answer

    def _unexplained(self, begin: int, end: int) -> dict[str, Any]:
        """Describe missing values before there are enough rows for more."""
        series, first = self.scorer.series(), self.scorer.start
        where = slice(begin - first, end - first)
        gone = np.zeros(series.n_channels) if series.missing is None else series.missing[where].mean(axis=0)
        names = [series.channels[k] for k in np.flatnonzero(gone)]
        times = [series.time_text(at - first) for at in (begin, end - 1, begin)]
        return {
            "start": begin,
            "end": end,
            "peak": begin,
            **dict(zip(("start_time", "end_time", "peak_time"), times, strict=True)),
            "ongoing": end == self.scorer.known,
            "score": 0.0,
            "expected_every": None,
            "channels": [{"channel": name, "share": round(1 / len(names), 3), "finding": "missing"} for name in names],
            "rule": None,
            "rule_probability": None,
            "reason": f"{span_text(series, begin - first, end - first)}, {', '.join(names)}: no values",
        }


def _moved(record: dict[str, Any], first: int) -> dict[str, Any]:
    return {**record, **{place: record[place] + first for place in PLACES}}


def _common(begin: int, end: int, first: int, last: int) -> int:
    return min(end, last) - max(begin, first)
