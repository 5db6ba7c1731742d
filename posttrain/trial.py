"""The trial of a post-trained detector: calibrate it on held-out normal points, and let it find implants among them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ape.detectors import Detector
from ape.posttrain.acceptance import Kept, decide, implant
from ape.posttrain.calibration import VOICES, Calibration, Peaks, as_array
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.discriminator.streaming import Scoring
from ape.posttrain.following import feed
from ape.posttrain.normal_part import Profile, TooShortError
from ape.rules import RuleBank
from ape.series import Series
from ape.series.series import Gap

EDGES = 24  # places of the held-out part at which provisional scores are measured
ORIGINAL_STEPS = 8  # windows of the original detector start every eighth of their length


def judge(
    detector: EnhancedDetector, original: Detector, bank: RuleBank, series: Series, found: Profile, seed: int
) -> tuple[EnhancedDetector, dict[str, Any]]:
    """Calibrate a post-trained detector, and choose its voices.

    Parameters
    ----------
    detector : EnhancedDetector
        Not calibrated. Its normal part is that of the training.
    original : Detector
    bank : RuleBank
        Of the implants.
    series : Series
        `prepared`.
    found : Profile
        Of its training part.
    seed : int

    Returns
    -------
    candidate : EnhancedDetector
        Calibrated, with both voices, and compares windows with the whole normal part.
    decision : dict
        For the report, see `decide`.

    Raises
    ------
    EmptyBankError
        The bank has no rule that can be placed.
    TooShortError
        Gaps leave no window in the held-out part.
    """
    early = replace(detector, normal=found.learnt)
    calibration, trained = calibrated(early)
    held = HeldOut.of(series, found)
    scoring = early.scoring(held.continues)
    implants = implant(bank, found.normal, held.begin, scoring.window, torch.Generator().manual_seed(seed + 1))
    peaks, newest = held.measured(scoring, held.values, pieces=EDGES)
    usual = peaks.take(held.clean & peaks.known)
    if len(usual.age) == 0:
        raise TooShortError(
            f"no stretch without a gap at the end of training is as long as a window of {scoring.window} points",
            series.name,
            "end the training part elsewhere",
        )
    calibration = calibration.with_scores(trained, Peaks.joined([usual, newest]))
    scores: dict[Kept, list[np.ndarray]] = {voice: [calibration.score(peaks, voice)[held.clean]] for voice in VOICES}
    scores["original"] = [held.original_score(original, held.values)[held.clean]]
    for values in implants.copies:
        peaks, _ = held.measured(scoring, values)
        for voice in VOICES:
            scores[voice].append(calibration.score(peaks, voice))
        scores["original"].append(held.original_score(original, values))
    precisions = {name: implants.precisions(np.stack(copies), usual) for name, (usual, *copies) in scores.items()}
    candidate = replace(detector, normal=found.normal)
    whole = replace(calibrated(candidate)[0], scores=calibration.scores)
    return replace(candidate, calibration=whole), decide(precisions, implants.kinds, seed)


@torch.no_grad()
def calibrated(detector: EnhancedDetector) -> tuple[Calibration, Peaks]:
    """Calibrate rules and voices on the clean points of the detector's normal part, which are also returned."""
    scoring = detector.scoring(continues=True)
    parts = []
    for evidence in scoring.trained():
        peaks = Peaks.of(evidence)
        parts.append(peaks.take(detector.normal.is_clean[evidence.time] & peaks.known))
    normal = Peaks.joined(parts)
    weight, generic_weight = as_array(detector.model.weight), as_array(detector.generic.weight)
    weight = weight[: detector.reader.rules]
    return Calibration.fit(normal, weight, generic_weight, scoring.latency), normal


@dataclass(frozen=True)
class HeldOut:
    """The held-out part of a series.

    Parameters
    ----------
    series : Series
        The training part.
    begin : int
        Of the held-out part.
    clean : ndarray, bool [n]
        Which of its n points are not suspicious.
    """

    series: Series
    begin: int
    clean: np.ndarray

    @classmethod
    def of(cls, series: Series, found: Profile) -> HeldOut:
        """Take the held-out part of a `prepared` series."""
        training = series.until(len(found.normal.values))
        return cls(training, found.held_out, found.normal.is_clean[found.held_out :])

    @property
    def values(self) -> np.ndarray:
        """Values of the held-out part, float32 [n, C]."""
        return self.series.values[self.begin :]

    @property
    def continues(self) -> bool:
        """Whether no gap lies before the held-out part."""
        return any(first < self.begin < last for first, last in self.series.train_segments)

    @torch.no_grad()
    def measured(self, scoring: Scoring, values: np.ndarray, pieces: int = 1) -> tuple[Peaks, Peaks]:
        """Measure values [n, C] in the place of the held-out part, which arrive in pieces.

        Parameters
        ----------
        scoring : Scoring
            Ready for the held-out part. It is not changed.
        values : ndarray
        pieces : int

        Returns
        -------
        every : Peaks
            Of all points.
        newest : Peaks
            Of the clean points that are not final yet, after each piece.
        """
        series = self._later(self.begin, values)
        scoring = copy.deepcopy(scoring, {id(part): part for part in (scoring.reader, scoring.normal)})
        every, newest = [], []
        for evidence in feed(scoring, series, piece=-(-len(values) // pieces)):
            every.append(Peaks.of(evidence))
            provisional = scoring.newest()
            peaks = Peaks.of(provisional)
            newest.append(peaks.take(self.clean[provisional.time.cpu().numpy()] & peaks.known))
        return Peaks.joined([*every, peaks]), Peaks.joined(newest)

    def original_score(self, original: Detector, values: np.ndarray) -> np.ndarray:
        """Score values [n, C] in the place of the held-out part, after some earlier ones, by another detector, [n]."""
        first = max(0, self.begin - original.window)
        earlier = self.series.values[first : self.begin]
        series = self._later(first, np.concatenate([earlier, values]))
        return original.score(series, stride=max(1, original.window // ORIGINAL_STEPS))[len(earlier) :]

    def _later(self, begin: int, values: np.ndarray) -> Series:
        """Return the series from a point on, with other values."""
        series = self.series
        missing = None if series.missing is None else series.missing[begin:]
        gaps = (Gap(gap.position - begin, gap.missing, gap.seconds) for gap in series.gaps if gap.position > begin)
        return Series(
            values=values,
            channels=series.channels,
            gaps=tuple(gaps),
            missing=missing if missing is not None and missing.any() else None,
            offset=series.offset,
            named=series.named,
            counters=series.counters,
            name=series.name,
        )
