"""Decide whether the post-trained detector is kept, without labels.

The decision uses implants: pseudo-anomalies put into normal points that nothing was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ape.posttrain.normal_part import NormalPart
from ape.rules import OPERATORS, RuleBank, broad_bank
from ape.series.windows import clip, longest, starts, usable

HOST_WINDOWS = 2  # window lengths that one implant has to itself
MOST_POINTS = 6000  # of all copies of the held-out part
MOST_COPIES = 24
RESAMPLES = 2000
LEVEL = 0.02  # one-sided

Kept = Literal["both", "rules", "free", "original"]
ALTERNATIVES: tuple[Kept, ...] = ("rules", "free", "original")
NAMES: dict[Kept, str] = {
    "both": "both voices together",
    "rules": "the rules alone",
    "free": "the distance to the nearest window alone",
    "original": "the original detector",
}


@dataclass(frozen=True)
class Implants:
    """Copies of the held-out part with pseudo-anomalies.

    Parameters
    ----------
    copies : ndarray, float32 [K, n, C]
        Data units.
    places : ndarray, int64 [M, 3]
        Of each implant: the copy, and begin and end of its host in it.
    labels : ndarray, bool [K, n]
        Anomalous points.
    kinds : ndarray of str [M]
        ``bank``, or ``foreign`` if the implant is of an operator that the bank does not use.
    """

    copies: np.ndarray
    places: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray

    def precisions(self, scores: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return the average precision of each implant's points among normal points, [M].

        Other points of the copies are ignored, because an alarm near an anomaly is not a false alarm.

        Parameters
        ----------
        scores : ndarray [K, n]
        normal : ndarray [N]
            Scores of the held-out part without implants.
        """
        ranked = np.sort(normal[np.isfinite(normal)])
        hosts = [(copy, slice(begin, end)) for copy, begin, end in self.places]
        return np.array([average_precision(scores[at][self.labels[at]], ranked) for at in hosts])


def average_precision(anomalous: np.ndarray, ranked: np.ndarray) -> float:
    """Return the average precision of anomalous points among normal ones, whose scores are sorted.

    Tied scores get the precision after the last of them. Points without a score count as not detected.
    """
    found = np.sort(np.nan_to_num(anomalous, nan=-np.inf))
    hits, alarms = (len(x) - np.searchsorted(x, found) for x in (found, ranked))
    return float((hits / (hits + alarms)).mean())


def implant(bank: RuleBank, normal: NormalPart, held_out: int, window: int, generator: torch.Generator) -> Implants:
    """Put pseudo-anomalies of the bank, and of operators that it does not use, into copies of the held-out part.

    Parameters
    ----------
    bank : RuleBank
    normal : NormalPart
    held_out : int
        Begin of the held-out part.
    window : int
        Samples.
    generator : torch.Generator

    Raises
    ------
    EmptyBankError
        The bank has no rule that can be placed.
    """
    values = normal.values[held_out:]
    stretches = [(begin - held_out, end - held_out) for begin, end in clip(normal.clean, held_out, len(normal.values))]
    begin, end = longest(stretches)
    host = min(HOST_WINDOWS * window, end - begin)
    hosts = starts(usable(stretches, host), host, host)
    hosts = hosts[np.diff(hosts, prepend=-host) >= host]  # the last of a stretch may overlap the one before
    copies = max(2, min(MOST_POINTS // len(values), MOST_COPIES))
    copy, at = np.repeat(np.arange(copies), len(hosts)), np.tile(hosts, copies)
    used = {step.operator for rule in bank.rules for step in rule.program}
    foreign = broad_bank(bank.context, [name for name in OPERATORS if name not in used])
    banks = {"bank": bank, "foreign": foreign} if foreign.rules else {"bank": bank}
    kinds = np.array(list(banks))[(copy + np.tile(np.arange(len(hosts)), copies)) % len(banks)]
    made, labels = np.repeat(values[None], copies, 0), np.zeros((copies, len(values)), dtype=bool)
    for kind, source in banks.items():
        rows = np.flatnonzero(kinds == kind)
        points = at[rows, None] + np.arange(host)
        windows = torch.from_numpy(np.ascontiguousarray(values[points].transpose(0, 2, 1)))
        sample = source.sample(windows, generator, torch.from_numpy(at[rows] + held_out))
        made[copy[rows, None], points] = sample.pseudo.numpy().transpose(0, 2, 1)
        labels[copy[rows, None], points] = sample.mask.any(1).numpy()
    return Implants(made, np.stack([copy, at, at + host], 1), labels, kinds)


def mean_with_interval(difference: np.ndarray, seed: int) -> dict[str, float]:
    """Return the mean of paired differences with its percentile bootstrap interval, 2 to 98 %, over implants."""
    generator = np.random.default_rng(seed)
    means = difference[generator.integers(len(difference), size=(RESAMPLES, len(difference)))].mean(1)
    low, high = np.quantile(means, [LEVEL, 1 - LEVEL])
    return {"mean": float(difference.mean()), "low": float(low), "high": float(high), "n": len(difference)}


def decide(precisions: Mapping[Kept, np.ndarray], kinds: np.ndarray, seed: int) -> dict[str, Any]:
    """Keep both voices together, unless the original detector is significantly better.

    A voice alone is never chosen, although its figures are reported: on real series, those that implants preferred were
    worse than both together.

    Parameters
    ----------
    precisions : mapping of str to ndarray [M]
        Average precision of each implant by both voices, each alone, and the original detector.
    kinds : ndarray of str [M]
        Of the implants.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        For the report: ``kept``, ``accepted``, ``reason``, and the figures of each kind of implant.
    """
    gain = mean_with_interval(precisions["original"] - precisions["both"], seed)
    kept: Kept = "original" if gain["low"] > 0 else "both"
    figures = {}
    for kind in dict.fromkeys(kinds.tolist()):
        own = {name: values[kinds == kind] for name, values in precisions.items()}
        figures[kind] = {
            "average_precision": {name: float(values.mean()) for name, values in own.items()},
            "gain_over_both": {name: mean_with_interval(own[name] - own["both"], seed) for name in ALTERNATIVES},
        }
    return {
        "kept": kept,
        "accepted": kept != "original",
        "reason": _reason(kept, {name: float(values.mean()) for name, values in precisions.items()}, gain),
        "acceptance": figures,
    }


def _reason(kept: Kept, means: Mapping[Kept, float], gain: Mapping[str, float]) -> str:
    """Say in words what the implants showed."""
    start = f"on {gain['n']} anomalies put into held-out normal data"
    listed = ", ".join(f"{title} {means[name]:.2f}" for name, title in NAMES.items() if name != kept)
    if kept == "both":
        finding = "the original detector is not clearly better than both voices together: average precision"
        return f"{start}, {finding} {means['both']:.2f} ({listed})"
    interval = f"{gain['mean']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}]"
    finding = f"{NAMES[kept]} finds clearly more than both voices together: average precision"
    return f"{start}, {finding} {means[kept]:.2f}, {interval} ({listed})"
