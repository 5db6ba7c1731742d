"""What a finished run found in its series, read from the files of the run folder."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape import posttrain
from ape.core.errors import InputError
from ape.core.files import read_bytes
from ape.core.run_files import ENHANCED, SCORES, remedy
from ape.detectors.inputs import prepared
from ape.monitor import Event, Expectation, Threshold, read_events
from ape.monitor.context import Context
from ape.monitor.event_files import EVENTS_JSON
from ape.monitor.spans import Span
from ape.rules import RuleBank
from ape.series import Series

MOST_BYTES = 2**31  # of the scores


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
    quiet : list of dict
        What benign rules keep quiet, as in ``events.json``, in order of time.
    """

    series: Series
    score: np.ndarray
    threshold: Threshold
    events: tuple[Event, ...]
    records: list[dict[str, Any]]
    context: Context
    quiet: list[dict[str, Any]] = field(default_factory=list)

    def chance(self, number: int) -> Expectation:
        """Return how often an event is expected by chance; ``number`` counts the worst as 0."""
        record = self.records[number]
        return Expectation(record["expected_every_points"], record["expected_every"], record["rarer"])

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


def read_result(folder: Path, series: Series, bank: RuleBank, text: str | None = None) -> Result:
    """Read the scores, the threshold and the events of a run folder.

    Parameters
    ----------
    folder : Path
    series : Series
        Of the run.
    bank : RuleBank
        That the run was post-trained with.
    text : str, optional
        Name of the file with the text that the bank quotes.

    Raises
    ------
    InputError
        A file is missing, or corrupt.
    """
    detector, threshold = posttrain.load(folder / ENHANCED), Threshold.load(folder / ENHANCED)
    scored = prepared(detector, series)
    document = _document(folder, scored)
    records = list(document["events"])
    after = read_scores(folder, series)["after"].to_numpy(dtype=float)[series.point_rows]
    events = tuple(_event(record, series.row_points) for record in records)
    alarms = [Span(event.begin, event.end, event.score) for event in events]
    context = Context.of(detector, scored, alarms, threshold, bank, text)
    score = after if threshold.errors is None else threshold.errors(after)
    as_read = replace(scored, missing=scored.absent if scored.absent.any() else None, dead=None)
    return Result(as_read, score, threshold, events, records, context, document.get("quiet", []))


def read_scores(folder: Path, series: Series | None = None) -> pd.DataFrame:
    """Read ``scores.csv`` of a run folder, with one line for each row of the file of ``series``.

    Raises
    ------
    InputError
        It is missing, corrupt, or of another series.
    """
    path = folder / SCORES
    try:
        frame = pd.read_csv(io.BytesIO(read_bytes(path, "table of scores", MOST_BYTES)))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read the scores: {error}"[:300], str(path), remedy(path)) from error
    numbers = frame.select_dtypes("number")
    rows = len(frame) if series is None else len(series.row_points)
    if len(frame) != rows or not {"before", "after"} <= set(numbers):
        raise InputError("not the scores of this series", str(path), remedy(path))
    return frame


def _document(folder: Path, series: Series) -> dict[str, Any]:
    """Read ``events.json`` of a run folder; the events of another series are refused."""
    document = read_events(folder)
    rows = len(series.row_points)
    named = {share["channel"] for record in document["events"] for share in record["channels"]}
    last = max((record["end"] for record in document["events"]), default=0)
    if document["rows"] != rows or last > rows or not named <= set(series.channels):
        path = folder / EVENTS_JSON
        raise InputError("not the events of this series", str(path), remedy(path))
    return document


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
