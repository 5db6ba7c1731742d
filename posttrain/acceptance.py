"""Decide whether the post-trained detector is kept, without labels.

The decision uses implants: pseudo-anomalies put into held-out normal segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ape.posttrain.candidates import Candidates
from ape.rules import RuleBank
from ape.series.windows import longest, starts

SEGMENTS = 64  # of each kind of implant
SEGMENT_WINDOWS = 3
STARTS_PER_WINDOW = 8  # windows start every eighth of their length within a segment
MAX_ERROR_RATIO = 1.05
MAX_HARM = 0.01  # average precision that training may cost significantly
RESAMPLES = 2000
LEVEL = 0.05  # one-sided

Choice = Literal["post-trained", "training-free", "original"]  # second: the score without heads, original backbone


@dataclass(frozen=True)
class Implants:
    """Held-out normal segments with one pseudo-anomaly each, cut into windows.

    Parameters
    ----------
    windows : Tensor, float32 [S * W, C, L]
        Data units, ordered by segment.
    positions : ndarray, int64 [S * W]
        Start of each window in the series.
    inner : ndarray, int64 [W]
        Starts of windows within a segment.
    labels : ndarray, bool [S, length]
        Anomalous points of each segment.
    """

    windows: torch.Tensor
    positions: np.ndarray
    inner: np.ndarray
    labels: np.ndarray

    def starts(self) -> np.ndarray:
        """Return the starts of all windows in the concatenated segments, int64 [S * W]."""
        segments, length = self.labels.shape
        return (np.arange(segments)[:, None] * length + self.inner).ravel()

    def touched(self) -> np.ndarray:
        """Return which windows contain at least half of their segment's anomaly, bool [S * W]."""
        covered = self.labels[:, self.inner[:, None] + np.arange(self.windows.shape[2])].sum(2)
        return (covered >= 0.5 * self.labels.sum(1)[:, None]).ravel()


def implant(bank: RuleBank, candidates: Candidates, generator: torch.Generator) -> Implants:
    """Put one pseudo-anomaly of ``bank`` into the middle window of each of 64 segments of the held-out part.

    Raises
    ------
    EmptyBankError
        The bank has no rule that can be placed.
    """
    window, stretches = candidates.reference_windows.window, candidates.held_out_segments()
    begin, end = longest(stretches)
    length = min(SEGMENT_WINDOWS * window, end - begin)
    middle = (length - window) // 2
    possible = starts(stretches, length)
    begin = int(possible[0])
    segment_starts = possible[np.linspace(begin, begin + len(possible) - 1, SEGMENTS).astype(np.int64) - begin]
    normal = candidates.values[segment_starts[:, None] + np.arange(length)]  # [S, length, C]
    segments = torch.from_numpy(np.ascontiguousarray(normal.transpose(0, 2, 1)))
    hosts = segments[:, :, middle : middle + window].clone()
    pseudo, mask, _ = bank.sample(hosts, generator, torch.from_numpy(segment_starts + middle))
    segments[:, :, middle : middle + window] = pseudo
    labels = np.zeros((SEGMENTS, length), dtype=bool)
    labels[:, middle : middle + window] = mask.any(1).numpy()
    step = max(1, window // STARTS_PER_WINDOW)
    windows = segments.unfold(2, window, step).permute(0, 2, 1, 3)  # [S, W, C, L]
    inner = np.arange(windows.shape[1], dtype=np.int64) * step
    return Implants(windows.flatten(0, 1), (segment_starts[:, None] + inner).ravel(), inner, labels)


def average_precisions(labels: np.ndarray, scores: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the average precision of each row's anomalous points among points of a normal stretch, [S].

    The row's other points are ignored, because an alarm near an anomaly is not a false alarm. Tied scores get the
    precision after the last of them.

    Parameters
    ----------
    labels : ndarray, bool [S, T]
        At least one true per row.
    scores : ndarray [S, T]
    normal : ndarray [N]
        Scores of normal points.
    """
    ranked = np.sort(normal)

    def one(anomalous: np.ndarray) -> float:
        hits, alarms = (len(x) - np.searchsorted(x, anomalous) for x in (np.sort(anomalous), ranked))
        return float((hits / (hits + alarms)).mean())

    return np.array([one(row[where]) for row, where in zip(scores, labels, strict=True)])


def mean_with_interval(difference: np.ndarray, seed: int) -> dict[str, float]:
    """Return the mean of paired differences with its percentile bootstrap interval, 5 to 95 %, over segments."""
    generator = np.random.default_rng(seed)
    means = difference[generator.integers(len(difference), size=(RESAMPLES, len(difference)))].mean(1)
    low, high = np.quantile(means, [LEVEL, 1 - LEVEL])
    return {"mean": float(difference.mean()), "low": float(low), "high": float(high), "n": len(difference)}


def decide(
    enhanced: dict[str, dict[str, float]],
    training_free: dict[str, dict[str, float]],
    training: dict[str, dict[str, float]],
    error_ratio: float,
) -> tuple[Choice, str]:
    """Choose what is kept, and give the reason.

    The trained weights are kept if they do no harm. A score is kept only if it detects implants better than the
    original detector.

    Parameters
    ----------
    enhanced, training_free : dict
        Gain over the original detector, by kind of implant and for ``all``: of the score with heads, and of the score
        without heads on the original backbone.
    training : dict
        Gain of the former over the latter, by kind.
    error_ratio : float
        Error on held-out normal windows after training divided by that before.

    Returns
    -------
    choice : {"post-trained", "training-free", "original"}
    reason : str
    """
    harm = _harm(training, error_ratio)
    doubt = _doubt(training_free if harm else enhanced)
    if doubt:
        return "original", f"{harm}; without training: {doubt}" if harm else doubt
    if harm:
        return "training-free", f"{harm}; without training: {_gains(training_free)}"
    return "post-trained", _gains(enhanced)


def _harm(training: dict[str, dict[str, float]], error_ratio: float) -> str:
    """Return the reason against the trained weights, or an empty string."""
    if not np.isfinite(error_ratio) or error_ratio > MAX_ERROR_RATIO:
        return f"after training, the reconstruction of held-out normal windows is worse (error x {error_ratio:.3g})"
    for kind, gain in training.items():
        if gain["high"] < -MAX_HARM:
            return f"{kind} implants are detected better without training: {_figures(gain)}"
    return ""


def _doubt(gains: dict[str, dict[str, float]]) -> str:
    """Return the reason against a score: no clear gain on all implants, or a clear loss on one kind; else nothing."""
    if not gains["all"]["low"] > 0:
        return f"no clear gain on held-out implants: {_figures(gains['all'])}"
    for kind, gain in gains.items():
        if gain["high"] < 0:
            return f"a clear loss on {kind} implants: {_figures(gain)}"
    return ""


def _gains(gains: dict[str, dict[str, float]]) -> str:
    listed = ", ".join(f"{kind} {_figures(gain)}" for kind, gain in gains.items() if kind != "all")
    return f"gains on held-out implants: {listed}"


def _figures(gain: dict[str, float]) -> str:
    return f"average precision {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
