"""Attribution: how likely an anomaly is at each point and channel, and which rule of the bank it looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.posttrain.assessment import over_channels, ranked
from ape.posttrain.calibration import GENERIC, Calibration, Peaks, Voice, as_array, log_added, mixed
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.quieting import Relief

LEAST = 1e-6  # part of a voice in a score of zero
PRIOR = 0.01  # probability of an anomaly at a point before anything is known


@dataclass(frozen=True)
class Explanation:
    """Posterior probabilities at n points of a series.

    Parameters
    ----------
    begin : int
        Position of the first point.
    channels : tuple of str
    rules : tuple of str
        Ids of the bank's rules.
    log_odds : ndarray, float32 [n, C]
        Logarithm of the odds of an anomaly, with a prior of 1 %. NaN in stretches that are shorter than a window.
    posterior : ndarray, float32 [n, C, R + 1]
        Given an anomaly, the probability of each rule and, last, of none of them.
    """

    begin: int
    channels: tuple[str, ...]
    rules: tuple[str, ...]
    log_odds: np.ndarray
    posterior: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """Probability of an anomaly, float32 [n, C]."""
        return 1 / (1 + np.exp(-self.log_odds))

    def ranking(self, begin: int, end: int) -> list[tuple[str | None, float]]:
        """Return which rules an event looks like, and the share of each; the largest first. See `ranked`.

        Parameters
        ----------
        begin, end : int
            Positions in the series; points without a score are left out.

        Returns
        -------
        list of (str or None, float)
            Rules by id; None stands for none of them. Empty if the event has no points with a score.
        """
        where = slice(max(0, begin - self.begin), max(0, end - self.begin))
        return ranked(*over_channels(self.log_odds[where], self.posterior[where]), self.rules)


def explain(
    evidence: Evidence, calibration: Calibration, named: np.ndarray, relieved: Relief | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-odds and the posterior of an `Explanation` of n points.

    Parameters
    ----------
    evidence : Evidence
    calibration : Calibration
    named : ndarray, bool [C, K]
        Whether a rule of the bank uses an operator at a channel. The others are evidence of none of the rules.
    relieved : Relief, optional
        By how much benign rules lower the log-odds.
    """
    rules = as_array(evidence.bank) - calibration.bank
    operators = as_array(evidence.generic) - calibration.generic - GENERIC
    operators[:, named] = -np.inf
    free = calibration.free_evidence(as_array(evidence.free))
    subspace = calibration.subspace_evidence(as_array(evidence.subspace))
    none = log_added(np.stack([log_added(operators), np.fmax(free, subspace)], axis=2))
    every = np.concatenate([rules, none[:, :, None]], axis=2)
    total = log_added(every)
    prior = np.log(PRIOR / (1 - PRIOR))
    posterior = np.exp(every - total[:, :, None])
    lowered = 0.0 if relieved is None else relieved.of(total)
    return (total + prior - lowered).astype(np.float32), posterior.astype(np.float32)


def channel_shares(
    evidence: Evidence, calibration: Calibration, voice: Voice, relieved: Relief | None = None
) -> np.ndarray:
    """Return the share of each channel in the score, float64 [n, C]; for ``relieved`` see `explain`.

    In the voice of the rules, a channel counts by the odds of an anomaly in it, in the free voice by its squared
    distance to the nearest window. In the fused score, each voice has the part that it adds; where the subspace raises
    it, a channel counts by its squared distance to the subspace.
    """
    rules = mixed(as_array(evidence.bank) - calibration.bank, as_array(evidence.generic) - calibration.generic)
    free = np.fmax.reduce(as_array(evidence.free), axis=1)
    if relieved is not None:
        rules = rules - relieved.of(rules)
        free = free - relieved.of(calibration.free_evidence(as_array(evidence.free)))
    shares = {"rules": _softmax(rules), "free": _softmax(free)}
    if voice != "both":
        return shares[voice]
    peaks = Peaks.of(evidence)
    voices = calibration.surprise(peaks)
    rules_part, free_part = voices["rules"] + LEAST, np.log1p(voices["free"]) + LEAST  # see `fuse`
    weight = (rules_part / (rules_part + free_part))[:, None]
    fused = weight * shares["rules"] + (1 - weight) * shares["free"]
    return np.where(calibration.of_subspace(voices, peaks.age)[:, None], _softmax(as_array(evidence.subspace)), fused)


def _softmax(log_weights: np.ndarray) -> np.ndarray:
    return np.exp(log_weights - log_added(log_weights)[:, None])
