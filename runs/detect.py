"""From data to events in one call: mine, train, post-train, score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ape import detectors
from ape.core.alert_rates import AlertRate
from ape.core.errors import InputError
from ape.detectors import Detector, WindowedDetector
from ape.graphs import mine
from ape.monitor import Answer, answer, events_frame, threshold_for
from ape.monitor.threshold import level_for
from ape.posttrain import EnhancedDetector, assess, enhance
from ape.posttrain.steps import channel_scores, describe_outcome
from ape.rules import RuleBank
from ape.series import Requirements, Series, from_array, from_dataframe, load
from ape.series.reading.time_zones import is_zone


@dataclass(frozen=True)
class Detection:
    """What `detect` found.

    Parameters
    ----------
    answer : Answer
        Events, scores and threshold as objects.
    detector : Detector or EnhancedDetector
        The trained detector. It scores further data.
    bank : RuleBank or None
        The mined rules; None without post-training.
    decision : str
        What post-training kept, and why; empty without post-training.
    """

    answer: Answer
    detector: Detector | EnhancedDetector
    bank: RuleBank | None
    decision: str

    @cached_property
    def events(self) -> pd.DataFrame:
        """The events, the worst first, with the columns of ``events.csv``."""
        return events_frame(self.answer)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One line for each row of the data: the column ``score``, and the part of each channel if there are several.

        The index has the times of the data, on their own clock; without times, the positions of the rows.
        """
        found = self.answer
        parts = channel_scores(replace(found.assessment, score=found.score), found.series.channels)
        rows = found.series.row_points
        columns = {"score": found.score, **parts}.items()
        return pd.DataFrame({name: column[rows] for name, column in columns}, _row_index(found.series))

    def save(self, folder: Path | str) -> None:
        """Save the detector with its threshold into a folder, for ``ape score --detector FOLDER``."""
        self.detector.save(folder)
        self.answer.threshold.save(Path(folder))

    def __str__(self) -> str:
        """Return the reasons of the events, one on each line."""
        if not self.answer.events:
            return f"no event: no score reaches {self.answer.threshold.level:.2f}"
        return "\n".join(event.reason for event in self.answer.events)


def detect(
    data: Any,
    *,
    text: str | Path | None = None,
    train_end: int | str | None = None,
    backbone: str = "vae",
    post_train: bool = True,
    alerts_per: str | AlertRate | None = None,
    seed: int = 0,
) -> Detection:
    """Find the anomalies of a series.

    Agents mine rules from the training part and the text, a backbone is trained, and both become an enhanced detector.
    ``ape run`` does the same in a run folder, with a report, and can be interrupted.

    Parameters
    ----------
    data : path, DataFrame, array_like [T] or [T, C], or Series
        What is not a `Series` is read by `ape.series.load`, `from_dataframe` or `from_array`. Load it yourself to
        choose columns or to say how a file is read.
    text : str or Path, optional
        What is known about the ways in which the series fails. A `Path` is read as a UTF-8 file.
    train_end : int or str, optional
        Points before it are taken as normal, and events are only found after it: a row, a date, or a percentage such
        as ``60%``. Default: the whole series is the training part, and events are found anywhere in it.
    backbone : str
        One of `ape.detectors.names`.
    post_train : bool
        False: no rules are mined, and the score is the reconstruction error of the backbone. Quicker, less accurate.
    alerts_per : str or AlertRate, optional
        Accepted false alarms: one in each ``day``, ``week`` or ``training`` part of normal data, or a number of them,
        such as ``week=2``. Default: ``week``, or ``training`` if the training part is shorter or has no times.
    seed : int
        On CPU, equal data, text and seed give equal results.

    Returns
    -------
    Detection

    Raises
    ------
    InputError
        The data, the text or an option cannot be used.

    Examples
    --------
    >>> found = ape.detect("pressure.csv", train_end="60%", text=Path("notes.txt"))
    >>> found.events[["start_time", "end_time", "rule", "reason"]]
    """
    untrained, series = detectors.create(backbone), as_series(data, train_end)
    rate = as_rate(alerts_per, series)
    text_file = text.name if isinstance(text, Path) else None
    if text is not None:
        series = replace(series, text=_read(text) if isinstance(text, Path) else text)
    detector, bank, decision = train(untrained, series, post_train, seed)
    assessment = assess(detector, series)
    threshold = threshold_for(detector, series, rate, assessment)
    return Detection(answer(detector, series, threshold, bank, text_file, assessment), detector, bank, decision)


def train(
    untrained: WindowedDetector, series: Series, post_train: bool, seed: int
) -> tuple[Detector | EnhancedDetector, RuleBank | None, str]:
    """Train a detector, and enhance it with mined rules if asked to; return it with the bank and the decision."""
    if not post_train:
        return untrained.fit(series, seed=seed), None, ""
    bank = mine(series, seed=seed)
    result = enhance(untrained.fit(series, seed=seed), bank, series, seed=seed)
    return result.detector, bank, describe_outcome(result.report)


def as_series(
    data: Any, train_end: int | str | None = None, required: Requirements | None = None, scoring: bool = False
) -> Series:
    """Return data of any kind as a series; see `ape.series.load` for the parameters."""
    if not (train_end is None or isinstance(train_end, int | np.integer | str)):
        what = f"a {type(train_end).__name__} is no end of the training part"
        raise InputError(what, "train_end", "give a row, or text such as '60%' or a date")
    if isinstance(data, Series):
        if train_end is not None:
            raise InputError("the series has its own training part", "train_end", "give it when the series is loaded")
        return data
    if isinstance(data, str | Path):
        return load(data, train_end=train_end, required=required, scoring=scoring)
    if isinstance(data, list | tuple):
        data = _array(data)
    if isinstance(data, np.ndarray):
        return from_array(data, train_end=train_end, required=required, scoring=scoring)
    return from_dataframe(data, train_end=train_end, required=required, scoring=scoring)


def as_rate(alerts_per: str | AlertRate | None, series: Series) -> AlertRate | None:
    """Return an accepted rate of false alarms, which may be given as text; refuse one that a series cannot have."""
    rate = AlertRate.parse(alerts_per) if isinstance(alerts_per, str) else alerts_per
    if rate is not None and not isinstance(rate, AlertRate):
        raise InputError(f"a {type(rate).__name__} is no rate of alarms", "alerts_per", "give text such as 'day=3'")
    if rate is not None:
        level_for(rate, series.step, len(series.train))
    return rate


def _row_index(series: Series) -> pd.Index:
    """Return the times of the rows on their own clock, or their positions."""
    rows, zone = series.row_points, series.zone
    if series.elapsed is not None:
        return pd.TimedeltaIndex(series.elapsed[rows], name="time")
    if series.timestamps is None or series.clock is None:
        return pd.RangeIndex(len(rows), name="position")
    if zone is not None and is_zone(zone):
        return pd.DatetimeIndex(series.timestamps[rows], tz="UTC", name="time").tz_convert(zone)
    return pd.DatetimeIndex(series.clock[rows], name="time")


def _array(rows: Any) -> np.ndarray:
    try:
        return np.asarray(rows)
    except ValueError as error:
        raise InputError("rows of different lengths", "data", "give an array [T] or [T, C]") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the text: {error}", str(path), "give a UTF-8 text file") from error
