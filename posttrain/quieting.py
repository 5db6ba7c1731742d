"""Lower the score where a benign rule explains a point: what a bank calls normal is normal.

All log-odds are against normal. The share of the benign rules among all that is not normal says whether a point is
benign. A rule that can hold at some times only takes this share off all evidence there, however loud it is. A rule
that can hold at most times takes off a little, so that it cannot hide failures. An anomaly that looks like something
else keeps its evidence, at the same time and in other channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from ape.posttrain.calibration import (
    SUBSPACE,
    Calibration,
    Peaks,
    Voice,
    as_array,
    log_added,
    mixed,
    rules_evidence,
)
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import fuse
from ape.rules import RuleBank

LIKELY = 4.0  # natural logarithm of the odds of what a person calls normal against an anomaly, at times of its own
SHARP = 2.0  # factor of log-odds: for a score of 20, a probability of .9 is not clear enough
MOST = np.log(10)  # that rules without times of their own take off: a score of 4 becomes about 3


@dataclass(frozen=True)
class Relief:
    """By how much benign rules lower evidence at n points and C channels.

    Parameters
    ----------
    clear : ndarray, float64 [n, C]
        Share of the evidence that is taken off, because the point is clearly benign.
    least : ndarray, float64 [n, C]
        Natural logarithm that is taken off in any case.
    """

    clear: np.ndarray
    least: np.ndarray

    def of(self, loud: np.ndarray) -> np.ndarray:
        """Return what is taken off evidence [n, C], natural logarithm; it does not fall when the evidence rises."""
        return np.asarray(np.fmax(self.clear * loud, self.least))

    def take(self, rows: np.ndarray) -> Relief:
        """Return some points."""
        return Relief(self.clear[rows], self.least[rows])


def benign_odds(evidence: Evidence, priors: np.ndarray) -> np.ndarray:
    """Return the log-odds of each benign rule, float64 [n, C, Q]; minus infinity where it cannot hold.

    Parameters
    ----------
    evidence : Evidence
    priors : ndarray [n, Q]
        See `ape.posttrain.gates.Gates.priors`.
    """
    odds = as_array(evidence.benign)[..., : priors.shape[1]] + (priors + LIKELY * (priors > 0))[:, None]
    return np.where(np.isnan(odds), -np.inf, odds)


def alike(bank: RuleBank) -> np.ndarray:
    """Return which rules make the same kind of anomaly as each benign rule, bool [Q, R]."""
    made = [[[step.operator for step in rule.program] for rule in part] for part in (bank.benign, bank.rules)]
    return np.array([[own == other for other in made[1]] for own in made[0]], dtype=bool).reshape(*map(len, made))


def relief(evidence: Evidence, priors: np.ndarray, same: np.ndarray) -> Relief:
    """Return by how much benign rules with priors [n, Q] lower the evidence; by nothing without any.

    A failure that makes the ``same`` kind of anomaly [Q, R], see `alike`, is no reason against a benign rule at its
    times, because they differ in size and length alone: these are judged where the whole event is known.
    """
    clear, least = np.zeros((2, *evidence.bank.shape[:2]))
    rows = np.flatnonzero(np.isfinite(priors).any(axis=1))
    if len(rows):
        some, priors = evidence.take(evidence.time.new_tensor(rows)), priors[rows]
        odds = benign_odds(some, priors)
        bank, other = as_array(some.bank), as_array(some.benign[..., -1:])
        told_apart = ~((priors > 0)[:, :, None] & same).any(axis=1)[:, None]
        anomalies = log_added(np.concatenate([bank, other], axis=2)).clip(min=0)
        others = log_added(np.concatenate([np.where(told_apart, bank, -np.inf), other], axis=2)).clip(min=0)
        timed, every = log_added(np.where(priors[:, None] > 0, odds, -np.inf)), log_added(odds)
        clear[rows] = _share(SHARP * (timed - LIKELY - others))
        by_every = _share(every - anomalies) * np.logaddexp(0.0, every)
        least[rows] = np.maximum(_share(timed - anomalies) * np.logaddexp(0.0, timed), by_every.clip(max=MOST))
    return Relief(clear, least)


def _share(log_odds: np.ndarray) -> np.ndarray:
    """Return the probability of log-odds; 0 where they are not known."""
    return np.nan_to_num(expit(log_odds))


def best_benign(odds: np.ndarray) -> np.ndarray:
    """Return which benign rule says most at each point, int64 [n]; -1 if none can hold there."""
    if odds.shape[2] == 0:
        return np.full(len(odds), -1)
    most = odds.max(axis=1)
    return np.where(np.isfinite(most).any(axis=1), most.argmax(axis=1), -1)


def quiet_score(evidence: Evidence, calibration: Calibration, voice: Voice, relieved: Relief) -> np.ndarray:
    """Return the score with less evidence, float32 [n]; never above the plain score."""
    score = calibration.score(Peaks.of(evidence), voice)
    rows = np.flatnonzero((relieved.least > 0).any(axis=1))
    if len(rows) == 0:
        return score
    some, less = evidence.take(evidence.time.new_tensor(rows)), relieved.take(rows)
    loud = mixed(as_array(some.bank) - calibration.bank, as_array(some.generic) - calibration.generic)
    by = some.bank.new_tensor(less.of(loud))[..., None]
    peaks = Peaks.of(replace(some, bank=some.bank - by, generic=some.generic - by))
    rules = calibration.rules(rules_evidence(peaks, calibration.bank, calibration.generic))
    distances = calibration.free_evidence(as_array(some.free)), calibration.subspace_evidence(as_array(some.subspace))
    free, subspace = (np.expm1((far - less.of(far)).max(axis=1).clip(min=0) / np.log(10)) for far in distances)
    surprise = {"rules": rules, "free": free, "both": fuse(rules, free), SUBSPACE: subspace}
    score[rows] = np.fmin(score[rows], calibration.score_of(surprise, peaks.age, voice))
    return score
