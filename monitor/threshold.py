"""Thresholds with a meaning: how many false alarms are accepted in a day or a week of normal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from ape.core.alert_rates import TRAINING, AlertRate
from ape.core.errors import InputError
from ape.core.files import read_json, write_json
from ape.core.run_files import THRESHOLD
from ape.core.validation import validated
from ape.detectors import Detector
from ape.posttrain.assessment import Assessment
from ape.posttrain.channels import assess
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.discriminator.tail import Tail
from ape.rules.schema import Record
from ape.series import Series
from ape.series.windows import points

FORMAT: Literal[1] = 1
PERIODS: Mapping[str, float] = {"day": 86_400.0, "week": 604_800.0}  # seconds
FEWEST = 20  # points between two accepted false alarms
MOST_TRAINED = 10**12  # points; what is stored beyond is damaged


@dataclass(frozen=True)
class Threshold:
    """The score at which an alarm is raised.

    Parameters
    ----------
    level : float
        Minus log10 of the share of normal points that score as high.
    rate : AlertRate
        What it was chosen for.
    step : float or None
        Seconds between points in training; None if unknown.
    trained : int
        Length of the training part, points.
    errors : Tail or None
        Of a plain detector: how high its errors are in the training part. None: its score is calibrated already.
    """

    level: float
    rate: AlertRate
    step: float | None
    trained: int
    errors: Tail | None = None

    def score(self, assessment: Assessment) -> np.ndarray:
        """Return the calibrated score of each point, float [T]."""
        return assessment.score if self.errors is None else self.errors(assessment.score)

    def at(self, rate: AlertRate | None) -> Threshold:
        """Return the threshold for another rate; None stands for the default."""
        rate = rate or default_rate(self.step, self.trained)
        return Threshold(level_for(rate, self.step, self.trained), rate, self.step, self.trained, self.errors)

    def save(self, folder: Path | str) -> None:
        """Write ``threshold.json`` into the folder of a detector."""
        tail = self.errors
        stored = _Stored(
            level=self.level,
            alerts=_Alerts.model_validate(vars(self.rate)),
            step=self.step,
            trained=self.trained,
            errors=None if tail is None else _Errors(quantiles=tail.quantiles.tolist(), excess=tail.excess),
        )
        write_json(Path(folder) / THRESHOLD, stored.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path | str) -> Threshold:
        """Read ``threshold.json``.

        Raises
        ------
        InputError
            It is missing, or corrupt.
        """
        path = Path(folder) / THRESHOLD
        obj = read_json(path, "threshold")
        stored = validated(_Stored, obj, "not a threshold", path, "train the detector again")
        tail = None if stored.errors is None else Tail(np.array(stored.errors.quantiles), stored.errors.excess)
        rate = AlertRate(stored.alerts.number, stored.alerts.per)
        return cls(stored.level, rate, stored.step, stored.trained, tail)


class _Alerts(Record):
    number: float = Field(gt=0)
    per: Literal["day", "week", "training part"]


class _Errors(Record):
    quantiles: list[float] = Field(min_length=1)
    excess: float = Field(gt=0)

    @field_validator("quantiles")
    @classmethod
    def _rise(cls, quantiles: list[float]) -> list[float]:
        if quantiles != sorted(quantiles):
            msg = "they do not rise"
            raise ValueError(msg)
        return quantiles


class _Stored(Record):
    """The content of ``threshold.json``."""

    format: Literal[1] = FORMAT
    level: float = Field(gt=0)
    alerts: _Alerts
    step: float | None = Field(gt=0)
    trained: int = Field(ge=1, le=MOST_TRAINED)
    errors: _Errors | None


def threshold_for(
    detector: Detector | EnhancedDetector,
    series: Series,
    rate: AlertRate | None = None,
    assessment: Assessment | None = None,
) -> Threshold:
    """Return the threshold of a detector that was trained on the training part of ``series``.

    The score of an enhanced detector is calibrated on held-out normal points. A plain detector is calibrated on its
    errors in the training part, which are somewhat smaller than those of new normal data.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series
    rate : AlertRate, optional
        Default: one a week, or one in a time as long as the training part if that is shorter.
    assessment : Assessment, optional
        Of the series by this detector, if it is known already.
    """
    trained = series.length if series.train_end is None else series.train_end
    errors = None
    if not isinstance(detector, EnhancedDetector):
        errors = training_tail(series, (assessment or assess(detector, series)).score)
    return Threshold(0.0, AlertRate(1, TRAINING), series.step, trained, errors).at(rate)


def training_tail(series: Series, score: np.ndarray) -> Tail:
    """Return how high a score [T] is in the training part; called with scores, it calibrates them."""
    normal = score[points(series.train_segments)]
    return Tail.fit(normal[np.isfinite(normal)])


def default_rate(step: float | None, trained: int) -> AlertRate:
    """Return one false alarm a week, or one in a time as long as the training part if that is shorter or unknown."""
    week = step is not None and trained * step >= PERIODS["week"]
    return AlertRate(1, "week" if week else TRAINING)


def level_for(rate: AlertRate, step: float | None, trained: int) -> float:
    """Return the score that normal points reach as often as a rate says.

    Neighbouring points that reach it are one alarm, so that alarms are fewer than points.

    Raises
    ------
    InputError
        The rate is not positive, it needs a time step that is not known, or it is too high.
    """
    if not rate.number > 0 or not np.isfinite(rate.number):
        raise InputError(f"{rate.number:g} false alarms", "--alerts-per", "give a number above zero")
    if rate.per == TRAINING:
        every = trained / rate.number
    elif step is None:
        raise InputError("the time between points is not known", "--alerts-per", "give a file with regular times")
    else:
        every = PERIODS[rate.per] / step / rate.number
    if every < FEWEST:
        raise InputError(
            f"{rate} is more than one alarm in {FEWEST} points", "--alerts-per", "accept fewer false alarms"
        )
    return float(np.log10(every))
