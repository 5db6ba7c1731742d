"""What a detector says about every point of a series: score, channels, and the rule that it looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.posttrain.calibration import log_added


@dataclass(frozen=True)
class Quiet:
    """What benign rules keep quiet.

    Parameters
    ----------
    score : ndarray, float32 [T]
        As it would be without benign rules.
    rule : ndarray, int64 [T]
        The benign rule that says most; -1 where none can hold.
    able : ndarray, bool [T, Q]
        Where each benign rule can hold.
    rules : tuple of str
        Ids of the benign rules.
    """

    score: np.ndarray
    rule: np.ndarray
    able: np.ndarray
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Assessment:
    """The assessment of the T points of a series. Points without a score are NaN throughout.

    Parameters
    ----------
    score : ndarray, float32 [T]
    shares : ndarray, float32 [T, C]
        The share of each channel in the score, in the order of training; those of a point add up to 1.
    log_odds : ndarray, float32 [T], or None
        Logarithm of the odds of an anomaly at any channel. None: the detector has no rules.
    rule_shares : ndarray, float32 [T, R + 1], or None
        Given an anomaly, the probability of each rule and, last, of none of them.
    rules : tuple of str
        Ids of the bank's rules.
    quiet : Quiet or None
        None: the detector has no benign rules.
    """

    score: np.ndarray
    shares: np.ndarray
    log_odds: np.ndarray | None = None
    rule_shares: np.ndarray | None = None
    rules: tuple[str, ...] = ()
    quiet: Quiet | None = None

    def ranking(self, begin: int, end: int) -> list[tuple[str | None, float]]:
        """Return which rules an event looks like; see `ranked`. Empty if the detector has no rules."""
        if self.log_odds is None or self.rule_shares is None:
            return []
        return ranked(self.log_odds[begin:end], self.rule_shares[begin:end], self.rules)


def over_channels(log_odds: np.ndarray, posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce log-odds [n, C] and posteriors [n, C, R + 1] over the channels, to [n] and [n, R + 1].

    Channels count by their odds.
    """
    odds = log_odds.astype(np.float64)
    whole = log_added(odds)
    weight = np.exp(odds - whole[:, None])
    return whole.astype(np.float32), np.einsum("nc,ncr->nr", weight, posterior).astype(np.float32)


def ranked(log_odds: np.ndarray, rule_shares: np.ndarray, rules: tuple[str, ...]) -> list[tuple[str | None, float]]:
    """Return which rules an event looks like, and the share of each; the largest first.

    The shares are means over the half of the event's points at which an anomaly is more likely.

    Parameters
    ----------
    log_odds : ndarray [n]
        Of the event's points; those without a score are left out.
    rule_shares : ndarray [n, R + 1]
    rules : tuple of str

    Returns
    -------
    list of (str or None, float)
        Rules by id; None stands for none of them. Empty if the event has no points with a score.
    """
    scored = np.isfinite(log_odds)
    log_odds, rule_shares = log_odds[scored], rule_shares[scored]
    if len(log_odds) == 0:
        return []
    shares = rule_shares[log_odds >= np.median(log_odds)].mean(axis=0)
    names = (*rules, None)
    return [(names[k], float(shares[k])) for k in np.argsort(-shares, kind="stable")]
