"""What a finished run found in its series, read from the files of the run folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape import posttrain
from ape.core.run_files import ENHANCED, SCORES
from ape.detectors.inputs import prepared
from ape.monitor import Event, Threshold, read_events
from ape.monitor.answer import undelivered
from ape.monitor.context import Context
from ape.monitor.spans import Span
from ape.rules import RuleBank
from ape.series import Series


@dataclass(frozen=True, eq=False)
class Result:
    """What a finished run found in its series.

    Parameters
    ----------
    series : Series
        The channels are in the order of training. Only values that the file lacks are missing.
    score : ndarray, float [T]
        Calibrated score of each point. An inserted point has that of the last row before it.
    threshold : Threshold
    events : tuple of Event
        The worst first.
    records : list of dict
        The events as in ``events.json``, in the same order.
    context : Context
        What the events are explained with.
    """

    series: Series
    score: np.ndarray
    threshold: Threshold
    events: tuple[Event, ...]
    records: list[dict[str, Any]]
    context: Context

    @property
    def searched(self) -> slice:
        """The points in which events are looked for: those after the training part, or all of them."""
        return slice(self.series.train_end or 0, self.series.length)

    @property
    def order(self) -> list[int]:
        """All channels: those at fault first, by their shares in the scores of the events."""
        blame = np.zeros(self.series.n_channels)
        for event in self.events:
            for name, share in event.channels:
                blame[self.series.channels.index(name)] += share * event.score
        return [int(channel) for channel in np.argsort(-blame, kind="stable")]


def read_result(folder: Path, series: Series, bank: RuleBank, text: str = "the text") -> Result:
    """Read the scores, the threshold and the events of a run folder.

    Parameters
    ----------
    folder : Path
    series : Series
        Of the run.
    bank : RuleBank
        That the run was post-trained with.
    text : str
        Name of the text that the bank quotes.

    Raises
    ------
    InputError
        A file is missing, or corrupt.
    """
    detector, threshold = posttrain.load(folder / ENHANCED), Threshold.load(folder / ENHANCED)
    records = read_events(folder)["events"]
    scored = prepared(detector, series)
    after = pd.read_csv(folder / SCORES)["after"].to_numpy()[series.point_rows]
    events = tuple(_event(record, series.row_points) for record in records)
    alarms = [Span(event.begin, event.end, event.score) for event in events]
    missing = undelivered(series, scored)
    context = Context.of(detector, scored, missing, alarms, threshold, bank, text)
    score = after if threshold.errors is None else threshold.errors(after)
    as_read = replace(scored, missing=missing if missing.any() else None)
    return Result(as_read, score, threshold, events, records, context)


def _event(record: dict[str, Any], points: np.ndarray) -> Event:
    """Return the event of a record, whose positions are rows of the file."""
    return Event(
        begin=int(points[record["start"]]),
        end=int(points[record["end"] - 1]) + 1,
        peak=int(points[record["peak"]]),
        score=record["score"],
        channels=tuple((share["channel"], share["share"]) for share in record["channels"]),
        rules=tuple((rule["rule"], rule["probability"]) for rule in record["rules"]),
        ongoing=record["ongoing"],
        reason=record["reason"],
    )
