"""Turn evidence into scores: calibrate each rule and each voice on normal points, and fuse the voices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch import Tensor

from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import Tail, fuse

USUAL = 0.99  # share of normal points below what is usual for a rule
GENERIC = 1.0  # natural logarithm by which operators that no rule names count less; chosen on tuning faults
SUBSPACE_SHARE = 0.1  # of the false alarms of the score of both voices, that the subspace may raise
AGES = (8, 32, 128)  # samples known after a point, where another calibration of provisional scores begins
FEWEST = 100  # points of an age that a calibration is fitted on; otherwise all points are taken

Voice = Literal["rules", "free", "both"]
SUBSPACE = "subspace"  # speaks with both voices only
VOICES: tuple[Voice, ...] = ("rules", "free", "both")


@dataclass(frozen=True)
class Peaks:
    """Evidence of n points, the largest of all channels.

    Parameters
    ----------
    bank : ndarray, float64 [n, R]
        Log-odds of the bank's rules.
    generic : ndarray, float64 [n, K]
        Log-odds of all operators.
    free : ndarray, float64 [n, F]
        Logarithm of the squared distance to the nearest window, of each length; NaN at lengths that do not fit.
    subspace : ndarray, float64 [n]
        Logarithm of the squared distance to the subspace of normal patches.
    age : ndarray, int64 [n]
        Samples that were known after each point.
    """

    bank: np.ndarray
    generic: np.ndarray
    free: np.ndarray
    subspace: np.ndarray
    age: np.ndarray

    @classmethod
    def of(cls, evidence: Evidence) -> Peaks:
        """Take the largest evidence of all channels."""
        bank, generic = as_array(evidence.bank.amax(1)), as_array(evidence.generic.amax(1))
        free, subspace = as_array(evidence.free.amax(2)), as_array(evidence.subspace.amax(1))
        return cls(bank, generic, free, subspace, evidence.age.cpu().numpy())

    @classmethod
    def joined(cls, parts: Iterable[Peaks]) -> Peaks:
        """Return the points of all parts, one part after the other."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def take(self, chosen: np.ndarray) -> Peaks:
        """Return some points, by index or by mask."""
        return Peaks(*(value[chosen] for value in vars(self).values()))

    @property
    def known(self) -> np.ndarray:
        """Whether there is evidence of each point, bool [n]."""
        return np.isfinite(self.free).any(axis=1)


def as_array(tensor: Tensor) -> np.ndarray:
    """Return a tensor as float64."""
    return tensor.detach().cpu().double().numpy()


@dataclass(frozen=True)
class Calibration:
    """What is usual at normal points.

    Parameters
    ----------
    bank : ndarray, float64 [R]
        What is taken off the log-odds of each rule of the bank: what is usual, less the logarithm of the rule's weight.
    generic : ndarray, float64 [K]
        The same of all operators.
    rules : Tail
        Of the evidence of rules and operators.
    free : sequence of Tail
        Of the distances to the nearest windows of each length.
    subspace : Tail
        Of the distances to the subspace; constant if there is one channel.
    latency : int
        Samples that are known after a point whose score is final.
    scores : mapping of str to sequence of Tail
        Of the score by the voices that it consists of. Of held-out points, one for those after which fewer than 8
        samples are known, one for 32, 128 and more, and one for final scores; then one of training points.
    """

    bank: np.ndarray
    generic: np.ndarray
    rules: Tail
    free: tuple[Tail, ...]
    subspace: Tail
    latency: int
    scores: Mapping[str, tuple[Tail, ...]]

    @classmethod
    def fit(cls, normal: Peaks, weight: np.ndarray, generic_weight: np.ndarray, latency: int) -> Calibration:
        """Calibrate rules and voices on normal points; for the scores, see `with_scores`.

        Parameters
        ----------
        normal : Peaks
            Final evidence.
        weight : ndarray [R]
            Of the rules of the bank; adds up to 1.
        generic_weight : ndarray [K]
        latency : int
        """
        bank, generic = _usual(normal.bank) - np.log(weight), _usual(normal.generic) - np.log(generic_weight)
        rules = Tail.fit(rules_evidence(normal, bank, generic))
        free = tuple(Tail.fit(column[np.isfinite(column)]) for column in normal.free.T)
        return cls(bank, generic, rules, free, Tail.fit(normal.subspace), latency, {})

    def with_scores(self, normal: Peaks, held_out: Peaks) -> Calibration:
        """Calibrate the scores on normal points.

        Both kinds are needed: training points score too low, since their neighbours on both sides are known, and
        held-out points are few.

        Parameters
        ----------
        normal : Peaks
            Of the training, final evidence.
        held_out : Peaks
            Of points that nothing was fitted on, final and provisional evidence.
        """
        stage, trained = self.stage_of(held_out.age), self.surprise(normal)

        def tails(voice: str, values: np.ndarray) -> tuple[Tail, ...]:
            every = range(len(AGES) + 2)
            stages = every[-1:] if voice == SUBSPACE else every  # a distance hardly changes with further samples
            own = [values[stage == k] for k in stages]
            return (*(Tail.fit(some if len(some) >= FEWEST else values) for some in own), Tail.fit(trained[voice]))

        held = self.surprise(held_out)
        return replace(self, scores={voice: tails(voice, values) for voice, values in held.items()})

    def stage_of(self, age: np.ndarray) -> np.ndarray:
        """Return which calibration of the score points take, int64 [n]; the last one is that of final scores."""
        return np.where(age >= self.latency, len(AGES) + 1, np.searchsorted(AGES, age, side="right"))

    def surprise(self, peaks: Peaks) -> dict[str, np.ndarray]:
        """Return the calibrated voices and their fusion before the last calibration, float64 [n] each."""
        rules = self.rules(rules_evidence(peaks, self.bank, self.generic))
        free = self.free_surprise(peaks.free)
        return {"rules": rules, "free": free, "both": fuse(rules, free), SUBSPACE: self.subspace(peaks.subspace)}

    def free_surprise(self, distances: np.ndarray) -> np.ndarray:
        """Return the largest calibrated distance of all lengths, [n, ...], of distances [n, F, ...]."""
        return np.asarray(np.fmax.reduce([tail(distances[:, k]) for k, tail in enumerate(self.free)]))

    def free_evidence(self, distances: np.ndarray) -> np.ndarray:
        """Return `free_surprise` as it counts next to log-odds, natural logarithm; see `fuse`."""
        return np.log(10) * np.log1p(self.free_surprise(distances))

    def subspace_evidence(self, distances: np.ndarray) -> np.ndarray:
        """Return the surprise of distances to the subspace as it counts next to log-odds, as `free_evidence`."""
        return np.log(10) * np.log1p(self.subspace(distances))

    def score(self, peaks: Peaks, voice: Voice) -> np.ndarray:
        """Return minus log10 of the share of normal points that score as high, float32 [n].

        Where training points and held-out points differ, the larger share counts. In the score of both voices, the
        subspace has a share of the false alarms: where it is far more surprising, it decides.
        """
        return self.score_of(self.surprise(peaks), peaks.age, voice)

    def score_of(self, surprise: Mapping[str, np.ndarray], age: np.ndarray, voice: Voice) -> np.ndarray:
        """Return the score of points, float32 [n], from `surprise` and the points' ages."""
        if voice != "both" or self.subspace.constant:
            return self._calibrated(surprise, age, voice)
        return np.asarray(np.maximum(*self._shared(surprise, age)).clip(min=0))

    def of_subspace(self, surprise: Mapping[str, np.ndarray], age: np.ndarray) -> np.ndarray:
        """Return where the score of both voices is that of the subspace, bool [n]; nowhere if there is one channel."""
        if self.subspace.constant:
            return np.zeros(len(age), dtype=bool)
        fused, subspace = self._shared(surprise, age)
        return np.asarray(subspace > fused)

    def _shared(self, surprise: Mapping[str, np.ndarray], age: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores of the fused voices and of the subspace, after their shares of the false alarms."""
        fused, subspace = (self._calibrated(surprise, age, voice) for voice in ("both", SUBSPACE))
        return fused + np.float32(np.log10(1 - SUBSPACE_SHARE)), subspace + np.float32(np.log10(SUBSPACE_SHARE))

    def _calibrated(self, surprise: Mapping[str, np.ndarray], age: np.ndarray, voice: str) -> np.ndarray:
        values, (*stages, trained) = surprise[voice], self.scores[voice]
        stage = np.minimum(self.stage_of(age), len(stages) - 1)
        score = trained(values).astype(np.float32)
        for k, tail in enumerate(stages):
            score[stage == k] = np.minimum(score[stage == k], tail(values[stage == k]))
        return score


def log_added(odds: np.ndarray) -> np.ndarray:
    """Log-add the last axis; minus infinity if it is empty. A row has the same result in any batch."""
    largest = odds.max(axis=-1, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):  # points without evidence are NaN
        return np.asarray(np.log(np.exp(odds - shift).sum(axis=-1)) + shift[..., 0])


def mixed(bank: np.ndarray, generic: np.ndarray) -> np.ndarray:
    """Log-add calibrated log-odds of rules [..., R] and of all operators [..., K]; the latter count less."""
    return log_added(np.stack([log_added(bank), log_added(generic) - GENERIC], axis=-1))


def _usual(odds: np.ndarray) -> np.ndarray:
    """Return the 99 % quantile of each column of [n, K]."""
    place = round(USUAL * (len(odds) - 1))
    return np.partition(odds, place, axis=0)[place]


def rules_evidence(peaks: Peaks, bank: np.ndarray, generic: np.ndarray) -> np.ndarray:
    """Log-add the evidence of the bank's rules and of all operators, float64 [n]; the latter count less."""
    return mixed(peaks.bank - bank, peaks.generic - generic)
