"""Compare the rules of a bank with the true fault: mechanism, morphology, size, duration and place."""

from __future__ import annotations

import numpy as np
import torch

from ape.evals.timeanomalybench import Instance
from ape.rules import Context, RuleBank
from ape.rules.placement import allowed_starts
from ape.rules.schema import Rule

TOP = (1, 3, 5)


def semantics(bank: RuleBank, instance: Instance) -> dict[str, float]:
    """Return how well the rules of a bank describe the fault of a simulated series.

    Returns
    -------
    dict
        ``mechanism@k``, ``morphology@k``: 1 if one of the k rules with the largest weights names the fault's term.

        ``scale``, ``duration``: share of events whose peak effect (robust sd of the channel) or length (samples) is in
        the prior of a rule with the fault's mechanism; 0 without such a rule.

        ``scale_overlap``, ``duration_overlap``: largest intersection over union of such a prior with the fault's range,
        on a log scale, so that wide priors do not gain.

        ``context``: largest mean, over such rules, of the share of true onsets that the rule allows and, if the fault
        has a precondition, of the share of other positions that it forbids.
    """
    rules = sorted(bank.rules, key=lambda rule: -rule.weight)
    fault = instance.events[0].fault
    figures = {}
    for k in TOP:
        figures[f"mechanism@{k}"] = float(fault.mechanism in [rule.mechanism for rule in rules[:k]])
        figures[f"morphology@{k}"] = float(fault.morphology in [rule.morphology for rule in rules[:k]])
    matching = [rule for rule in rules if rule.mechanism == fault.mechanism]
    scales = [_scale_range(rule, bank.context) for rule in matching]
    durations = [_duration_range(rule, bank.context) for rule in matching]
    effect = np.abs(instance.effect).max(axis=1)
    peaks = np.array([effect[event.onset : event.recovery].max() for event in instance.events])
    lengths = np.array([event.end - event.onset for event in instance.events], dtype=float)
    figures["scale"] = _covered(peaks, scales)
    figures["duration"] = _covered(lengths, durations)
    figures["scale_overlap"] = _overlap(scales, fault.scale)
    figures["duration_overlap"] = _overlap(durations, fault.duration)
    figures["context"] = max([_context(rule, bank.context, instance) for rule in matching], default=0.0)
    return figures


def _scale_range(rule: Rule, context: Context) -> tuple[float, float]:
    """Return the scale prior in robust sd of the series, for the channel with the widest range."""
    factor = {
        "series_sd": [1.0 for _ in context.channels],
        "residual_sd": [channel.residual_scale / channel.scale for channel in context.channels],
        "data": [1.0 / channel.scale for channel in context.channels],
    }[rule.scale.unit]
    return rule.scale.low * min(factor), rule.scale.high * max(factor)


def _duration_range(rule: Rule, context: Context) -> tuple[float, float]:
    unit = context.cycle if rule.duration.unit == "periods" else 1
    return rule.duration.low * unit, rule.duration.high * unit


def _covered(values: np.ndarray, ranges: list[tuple[float, float]]) -> float:
    inside = [(values >= low) & (values <= high) for low, high in ranges]
    return float(np.mean(np.any(inside, axis=0))) if inside else 0.0


def _overlap(ranges: list[tuple[float, float]], true: tuple[float, float]) -> float:
    low, high = np.log(true)
    shares = [
        max(0.0, min(high, np.log(b)) - max(low, np.log(a))) / (max(high, np.log(b)) - min(low, np.log(a)))
        for a, b in ranges
    ]
    return float(max(shares, default=0.0))


def _context(rule: Rule, context: Context, instance: Instance) -> float:
    test = torch.from_numpy(instance.twin.T[None].copy())
    allowed = allowed_starts(rule.context, context, test, torch.zeros(1, dtype=torch.long))[0].numpy()
    at_onset = float(np.mean([allowed[event.onset] for event in instance.events]))
    outside = ~instance.where
    return at_onset if not outside.any() else 0.5 * (at_onset + float(np.mean(~allowed[outside])))
