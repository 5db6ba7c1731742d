"""Lower the score where a benign rule explains a point: what a bank calls normal is normal.

All log-odds are against normal. With a benign rule of log-odds b, normal and benign together are 1 + exp(b) times as
likely as normal alone, so that all evidence falls by log(1 + exp(b)). That counts by the share of benign rules among
all that is not normal: an anomaly at the same time that looks like something else keeps its evidence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ape.posttrain.calibration import Calibration, Peaks, Voice, as_array, log_added, rules_evidence
from ape.posttrain.discriminator.evidence import Evidence
from ape.posttrain.discriminator.tail import fuse

LIKELY = 4.0  # natural logarithm of the odds of what a person calls normal against an anomaly, where it can be


def benign_odds(evidence: Evidence, priors: np.ndarray) -> np.ndarray:
    """Return the log-odds of each benign rule, float64 [n, C, Q]; minus infinity where it cannot hold.

    Parameters
    ----------
    evidence : Evidence
    priors : ndarray [n, Q]
        See `ape.posttrain.gates.Gates.priors`.
    """
    odds = as_array(evidence.benign)[..., : priors.shape[1]] + priors[:, None] + LIKELY
    return np.where(np.isnan(odds), -np.inf, odds)


def relief(evidence: Evidence, odds: np.ndarray) -> np.ndarray:
    """Return by how much benign rules with log-odds [n, C, Q] lower all others, float64 [n, C]; zero without any."""
    lowered = np.zeros(odds.shape[:2])
    rows = np.flatnonzero(np.isfinite(odds).any(axis=(1, 2)))
    if len(rows):
        some, benign = evidence.take(evidence.time.new_tensor(rows)), log_added(odds[rows])
        anomalies = log_added(as_array(torch.cat([some.bank, some.benign[..., -1:]], 2)))
        share = 1 / (1 + np.exp(anomalies.clip(min=0) - benign))
        lowered[rows] = share * np.logaddexp(0.0, benign)
    return lowered


def best_benign(odds: np.ndarray) -> np.ndarray:
    """Return which benign rule says most at each point, int64 [n]; -1 if none can hold there."""
    if odds.shape[2] == 0:
        return np.full(len(odds), -1)
    most = odds.max(axis=1)
    return np.where(np.isfinite(most).any(axis=1), most.argmax(axis=1), -1)


def quiet_score(evidence: Evidence, calibration: Calibration, voice: Voice, lowered: np.ndarray) -> np.ndarray:
    """Return the score with all evidence lowered by ``lowered`` [n, C], float32 [n]; never above the plain score."""
    score = calibration.score(Peaks.of(evidence), voice)
    rows = np.flatnonzero((lowered > 0).any(axis=1))
    if len(rows) == 0:
        return score
    some, less = evidence.take(evidence.time.new_tensor(rows)), lowered[rows]
    by = some.bank.new_tensor(less)[..., None]
    peaks = Peaks.of(replace(some, bank=some.bank - by, generic=some.generic - by))
    rules = calibration.rules(rules_evidence(peaks, calibration.bank, calibration.generic))
    distances = np.log1p(calibration.free_surprise(as_array(some.free))) - less / np.log(10)  # as in `fuse`
    free = np.expm1(distances.max(axis=1).clip(min=0))
    values: dict[Voice, np.ndarray] = {"rules": rules, "free": free, "both": fuse(rules, free)}
    score[rows] = np.fmin(score[rows], calibration.score_of(values[voice], peaks.age, voice))
    return score
