"""Score a series piece by piece: final scores once, and provisional ones of the newest points."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ape.core.errors import InputError
from ape.posttrain.calibration import Calibration, Voice
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.streaming import PIECE, Scoring
from ape.posttrain.gates import Gates
from ape.posttrain.quieting import Relief, quiet_score
from ape.series import Requirements, Series
from ape.series.windows import clip

MISSING = 6.0  # least score of a missing value: that of one normal point in a million


def feed(scoring: Scoring, series: Series, begin: int = 0, piece: int = PIECE) -> Iterator[Evidence]:
    """Give the points of a series from ``begin`` on to what scores it, and yield the evidence of each piece."""
    gaps, missing = {gap.position for gap in series.gaps}, missing_points(series)
    for first, last in clip(series.segments, begin, series.length):
        for at in range(first, last, piece):
            some = slice(at, min(at + piece, last))
            yield scoring.add(series.values[some], gap=at == first and at in gaps, missing=missing[some])


def missing_points(series: Series) -> np.ndarray:
    """Return which points lack a value, bool [T]."""
    if series.missing is None:
        return np.zeros(series.length, dtype=bool)
    return np.asarray(series.missing.any(axis=1))


class Highest:
    """The highest score so far, which points with missing values get.

    A sensor that delivers nothing is a fault, which held values would hide.
    """

    def __init__(self) -> None:
        self.value = MISSING

    def raised(self, score: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Raise the scores of points with missing values, float32 [n]."""
        known = np.where(missing | np.isnan(score), MISSING, score)
        so_far = np.maximum.accumulate(np.maximum(known, self.value))
        self.value = float(so_far[-1]) if len(so_far) else self.value
        return np.where(missing, np.fmax(score, so_far), score).astype(np.float32)


@dataclass(frozen=True)
class Newest:
    """Provisional scores of the newest points.

    Parameters
    ----------
    score : ndarray, float32 [m]
    age : ndarray, int64 [m]
        Samples known after each point.
    """

    score: np.ndarray
    age: np.ndarray


class Follower:
    """Scores of a series that arrives in pieces.

    Every point gets its final score once, as soon as no further sample can change it. Until then `newest` gives a
    provisional one.

    Parameters
    ----------
    prepare : callable
        Brings a series to the channels and offsets of training.
    required : Requirements
        What the detector requires of a series.
    scoring : Scoring
        Ready for the first points.
    calibration : Calibration
    voice : {"both", "rules", "free"}
        Voices that the score consists of.
    last : ndarray, float32 [1, C]
        Values before the first points, which take the place of missing ones.
    gates : Gates
        Where benign rules can hold.
    relief : callable
        Called as ``relief(evidence, priors)``; returns by how much benign rules lower the evidence.
    """

    def __init__(
        self,
        prepare: Callable[[Series], Series],
        required: Requirements,
        scoring: Scoring,
        calibration: Calibration,
        voice: Voice,
        last: np.ndarray,
        gates: Gates,
        relief: Callable[[Evidence, np.ndarray], Relief],
    ) -> None:
        self.prepare, self.required, self.scoring = prepare, required, scoring
        self.calibration, self.voice, self.last = calibration, voice, last
        self.gates, self.relief, self.highest = gates, relief, Highest()
        self.priors: np.ndarray = np.zeros((0, len(gates.openings)))  # of the points without a final score
        self.missing: np.ndarray = np.zeros(0, dtype=bool)  # of the points without a final score

    @torch.no_grad()
    def add(self, points: Series | np.ndarray, gap: bool = False) -> np.ndarray:
        """Append points and return the scores of those that became final, in order, float32.

        Parameters
        ----------
        points : Series or ndarray [m, C]
            Channels of a series are matched by name. An array has data units and the channels of training in their
            order; NaN is a missing value. It has no times, so that no benign rule with hours or weekdays holds. A dead
            sensor is recognised if it stands still long enough within one piece.
        gap : bool
            Whether points are missing before these. Those before the gap then keep their provisional scores.

        Raises
        ------
        InputError
            A channel is missing, or a value is infinite.
        """
        series = self.prepare(points if isinstance(points, Series) else self._series(points))
        missing = missing_points(series)
        evidence = self.scoring.add(series.values, gap=gap, missing=missing)
        self.missing, self.last = np.concatenate([self.missing, missing]), series.values[-1:]
        self.priors = np.concatenate([self.priors, self.gates.priors(series, gap)])
        score = self._score(evidence)
        score = self.highest.raised(score, self.missing[: len(score)])
        self.missing, self.priors = self.missing[len(score) :], self.priors[len(score) :]
        return score

    def _series(self, points: np.ndarray) -> Series:
        """Make a series of points [m, C] in data units; missing values are held."""
        required, values = self.required, np.asarray(points, dtype=np.float64)
        if values.ndim != 2 or np.isinf(values).any():
            raise InputError("not rows of numbers without infinity", "points", "give an array [points, channels]")
        offset = required.offset_of(values.shape[1])
        missing = np.isnan(values)
        values = np.concatenate([self.last, values - offset]).astype(np.float32)
        known = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
        held = np.take_along_axis(values, np.maximum.accumulate(known, axis=0), axis=0)[len(self.last) :]
        return Series(
            values=np.nan_to_num(held),
            channels=required.channels,
            missing=missing if missing.any() else None,
            offset=offset if offset.any() else None,
            named=required.named,
            counters=required.counters,
        )

    @torch.no_grad()
    def newest(self) -> Newest:
        """Return the provisional scores of all points that are not final, in order."""
        evidence = self.scoring.newest()
        score = copy.copy(self.highest).raised(self._score(evidence), self.missing)
        return Newest(score, evidence.age.cpu().numpy())

    def _score(self, evidence: Evidence) -> np.ndarray:
        relieved = self.relief(evidence, self.priors[: len(evidence)])
        return quiet_score(evidence, self.calibration, self.voice, relieved)
