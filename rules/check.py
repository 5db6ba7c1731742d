"""The discriminability check: measure whether a rule's anomalies are visible, plausible, new and well placed.

Every figure has one entry in `THRESHOLDS`. All figures are measured on host windows from the last part of the training
data. Rules are designed on the part before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ape.rules.hosts import Compared, Hosts, hosts_for
from ape.rules.naming import channel_indices, narrowed
from ape.rules.placement import allowed_starts
from ape.rules.sampling import Sample, draw_anomalies
from ape.rules.schema import Context, Rule
from ape.series.groups import WIDE
from ape.series.numerics import auc, power_of_two

FOLDS = 4  # of the cross-validation; contiguous in time
RIDGE = 10.0  # penalty
MAX_SCALE_FACTOR = 1.5  # largest plausible peak change, as a multiple of the scale prior's upper end
MIN_SCALE_FACTOR = 0.1  # smallest plausible peak change, as a multiple of the scale prior's lower end
HIGH_QUANTILE = 0.95  # for ``realised_high``; ``realised_low`` is the opposite quantile
BORDER = 3  # samples on either side of a border that the border classifier sees


@dataclass(frozen=True)
class Threshold:
    """Range of a figure that passes: at least ``at_least`` and at most ``at_most``."""

    meaning: str
    at_least: float | None = None
    at_most: float | None = None

    def passes(self, value: float) -> bool:
        """Return whether ``value`` is in the range."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


THRESHOLDS: dict[str, Threshold] = {
    "visible": Threshold("cross-validated AUC of a linear classifier, anomalies against normal windows", at_least=0.8),
    "border": Threshold("AUC of a classifier that sees only the borders, unless the rule may jump", at_most=0.65),
    "plausible": Threshold("share of anomalies inside the limits, with a size that fits the scale prior", at_least=0.9),
    "own": Threshold("share of anomalies that the rule makes as and where it states, without a fallback", at_least=0.8),
    "new": Threshold("smallest AUC between this rule's anomalies and those of each accepted rule", at_least=0.65),
    "placed": Threshold("share of anomalies that start where the contextual prior allows", at_least=0.9),
}


class _Seen(NamedTuple):
    """Context and hosts of the channels that a rule is measured on, units [C], and features of the normal windows."""

    context: Context
    hosts: Hosts
    units: np.ndarray
    usual: np.ndarray

    @classmethod
    def of(cls, context: Context, hosts: Hosts) -> _Seen:
        """Measure the normal windows."""
        units = power_of_two(np.array([channel.scale for channel in context.channels]))
        return cls(context, hosts, units, _features(hosts.normal, hosts, units))


def discriminability(
    pending: Sequence[Rule], accepted: Sequence[Rule], context: Context, hosts: Hosts, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Measure the figures of every pending rule.

    Of a wide series, a rule is measured on some channels that stand for its own, see `ape.rules.naming.narrowed`.

    Parameters
    ----------
    pending : sequence of Rule
        In order of preference.
    accepted : sequence of Rule
        Rules of the bank. ``new`` compares a pending rule with these and with the pending rules before it.
    context : Context
    hosts : Hosts
        From `draw_hosts`.
    seed : int

    Returns
    -------
    dict of str to dict
        By rule id: the figures in `THRESHOLDS`; ``realised_scale``, ``realised_low`` and ``realised_high`` (median,
        5 % and 95 % quantile of the peak change, in the unit of the rule's scale prior); and ``realised_duration``
        (median, in samples).
    """
    seen: dict[tuple[int, ...], _Seen] = {}
    every = _Seen.of(context, hosts) if len(context.channels) <= WIDE else None

    def see(rule: Rule) -> tuple[Rule, _Seen]:
        if every is not None:
            return rule, every
        rule, part, columns = narrowed(rule, context)
        key = tuple(columns)
        if key not in seen:
            seen[key] = _Seen.of(part, hosts.of(columns))
        return rule, seen[key]

    compared = [_accepted_features(*see(rule), seed) for rule in accepted]
    figures = {}
    for stated in pending:
        rule, (part, own_hosts, units, usual) = see(stated)
        chosen = hosts_for(rule, part, own_hosts, seed)
        starts, normal = (
            chosen.starts.numpy(),
            usual if chosen is own_hosts else _features(chosen.normal, chosen, units),
        )
        order = np.concatenate([chosen.normal_starts, starts])
        sample, passed = _sample(rule, part, chosen, seed)
        pseudo, mask = sample.pseudo.numpy(), sample.mask.numpy()
        made = _features(pseudo, chosen, units)
        features = _standardise(made, usual)
        own = channel_indices(rule.context, part)  # those that follow may have other units
        peak = np.abs((pseudo - chosen.windows.numpy()) / _scale_unit(rule, part))[:, own].max(axis=(1, 2))
        sized = (peak >= MIN_SCALE_FACTOR * rule.scale.low) & (peak <= MAX_SCALE_FACTOR * rule.scale.high)
        figures[rule.id] = {
            "visible": _auc(_standardise(normal, normal), _standardise(made, normal), order),
            "border": 0.5 if rule.may_jump else _border_auc(chosen, pseudo, mask, float(units.max())),
            "plausible": float(np.mean(_inside_limits(rule, pseudo, mask, part) & sized)),
            "own": float(passed.double().mean()),
            "new": min(
                [1.0, *(_auc(e.features, features, np.concatenate([e.starts, starts])) for e in compared)],
            ),
            "placed": _share_placed(rule, part, chosen, mask),
            "realised_scale": float(np.median(peak)),
            "realised_low": float(np.quantile(peak, 1 - HIGH_QUANTILE)),
            "realised_high": float(np.quantile(peak, HIGH_QUANTILE)),
            "realised_duration": float(np.median(_durations(np.any(mask, axis=1)))),
        }
        compared.append(Compared(starts, features))
    return figures


def failures(figures: dict[str, float]) -> list[str]:
    """Return the names of the figures that do not pass."""
    return [name for name, threshold in THRESHOLDS.items() if not threshold.passes(figures[name])]


def _features(windows: np.ndarray, hosts: Hosts, units: np.ndarray) -> np.ndarray:
    """Return shape statistics of each window and channel, and the distance to the nearest reference, [N, C, F].

    Statistics are in ``units`` [C], close to the scales of the channels, so that floors are relative to them. The
    distance is in the largest unit: channels with large values dominate it.
    """
    x = windows / units[:, None]
    d1, d2 = np.diff(x, axis=2), np.diff(x, n=2, axis=2)
    power = np.abs(np.fft.rfft(x - x.mean(axis=2, keepdims=True), axis=2)) ** 2
    bands = [part.sum(axis=2) for part in np.array_split(power[:, :, 1:], 5, axis=2)]
    low_band = power[:, :, 1:4].sum(axis=2)
    block = max(4, x.shape[2] // 12)
    local = np.lib.stride_tricks.sliding_window_view(x, block, axis=2)[:, :, :: max(1, block // 2)]
    local_std, local_mean = local.std(axis=3), local.mean(axis=3)
    flat = (np.abs(d1) <= 1e-9 * np.abs(x).max(axis=2, keepdims=True)).mean(axis=2)
    columns = [
        x.mean(2), x.std(2), x.min(2), x.max(2), np.median(x, axis=2),
        np.abs(d1).mean(2), np.abs(d1).max(2), np.abs(d2).mean(2), np.abs(d2).max(2),
        local_std.min(2), local_std.max(2), local_mean.min(2), local_mean.max(2), flat,
        np.abs(np.diff(local_mean, axis=2)).max(2),
        *(np.log(band + 1e-12) for band in [low_band, *bands]),
    ]  # fmt: skip
    unit = float(units.max())  # a Python float keeps the references in float32
    nearest = _nearest_distance(windows.reshape(len(x), -1).astype(np.float64) / unit, hosts.reference / unit)
    return np.stack([*columns, np.repeat(nearest[:, None], x.shape[1], axis=1)], axis=2)


def _nearest_distance(flat: np.ndarray, reference: np.ndarray) -> np.ndarray:
    square = (flat**2).sum(1)[:, None] - 2 * flat @ reference.T + (reference**2).sum(1)[None]
    return np.sqrt(np.maximum(square.min(axis=1), 0.0))


def _accepted_features(rule: Rule, seen: _Seen, seed: int) -> Compared:
    """Return the features of an accepted rule's anomalies, from the cache if possible."""
    context, hosts, units, normal = seen
    key = rule.model_dump_json(exclude={"history"})
    if key not in hosts.accepted_features:
        # Another seed than for pending rules, so that the anomalies of both are independent draws in the same hosts.
        chosen = hosts_for(rule, context, hosts, seed)
        sample, _ = _sample(rule, context, chosen, seed + 1)
        features = _standardise(_features(sample.pseudo.numpy(), hosts, units), normal)
        hosts.accepted_features[key] = Compared(chosen.starts.numpy(), features)
    return hosts.accepted_features[key]


def _sample(rule: Rule, context: Context, hosts: Hosts, seed: int) -> tuple[Sample, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return draw_anomalies([rule], context, hosts.windows, generator, hosts.starts, where=f"rule '{rule.id}'")


def _standardise(features: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Standardise by the normal windows, and reduce the channels to one row, [N, 2 F].

    One channel keeps its signed value. Several channels are reduced to the mean and maximum of the absolute value.
    """
    z = (features - normal.mean(axis=0)) / (normal.std(axis=0) + 1e-9)
    z = np.clip(z, -20, 20)
    size = np.abs(z)
    return np.concatenate([z[:, 0] if z.shape[1] == 1 else size.mean(axis=1), size.max(axis=1)], axis=1)


def _auc(negative: np.ndarray, positive: np.ndarray, order: np.ndarray) -> float:
    """Return the cross-validated AUC of a ridge classifier.

    Folds are contiguous in time (``order``), so that overlapping windows are rarely split between training and test.
    """
    x = np.concatenate([negative, positive])
    y = np.repeat([-1.0, 1.0], [len(negative), len(positive)])
    edges = np.quantile(order, np.linspace(0, 1, FOLDS + 1)[1:-1])
    fold = np.searchsorted(edges, order, side="right")
    scores = []
    for k in range(FOLDS):
        test, train = fold == k, fold != k
        if len(np.unique(y[test])) < 2 or len(np.unique(y[train])) < 2:
            continue
        decision = (x[test] - x[train].mean(axis=0)) @ _ridge(x[train], y[train])
        scores.append(auc(decision[y[test] < 0], decision[y[test] > 0]))
    return float(np.mean(scores)) if scores else 0.5


def _ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Fit ``y`` [N] by ridge regression on the standardised columns of ``x`` [N, F]; return weights for raw columns."""
    scale = x.std(axis=0)
    scale[scale == 0] = 1.0
    z = (x - x.mean(axis=0)) / scale
    return np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean())) / scale


def _scale_unit(rule: Rule, context: Context) -> np.ndarray:
    """Return the unit of the rule's scale prior for each channel, [1, C, 1]."""
    attribute = {"residual_sd": "residual_scale", "series_sd": "scale"}.get(rule.scale.unit)
    units = [getattr(channel, attribute) if attribute else 1.0 for channel in context.channels]
    return np.array(units)[None, :, None]


def _border_auc(hosts: Hosts, pseudo: np.ndarray, mask: np.ndarray, unit: float) -> float:
    """Return the AUC of a classifier that sees only the borders.

    It compares a few samples around each border with the same samples of a normal window.
    """
    rows, channels, places = np.nonzero(mask[:, :, 1:] != mask[:, :, :-1])
    inside = (places >= BORDER - 1) & (places < mask.shape[2] - BORDER)
    rows, channels, places = rows[inside], channels[inside], places[inside]
    if len(rows) < 4 * FOLDS:
        return 0.5
    index = places[:, None] + np.arange(1 - BORDER, BORDER + 1)
    anomalous = _border_features(pseudo[rows[:, None], channels[:, None], index] / unit)
    normal = _border_features(hosts.normal[rows[:, None], channels[:, None], index] / unit)
    scale = normal.std(axis=0) + 1e-12
    order = np.concatenate([hosts.normal_starts[rows], hosts.starts.numpy()[rows]])
    return _auc(normal / scale, anomalous / scale, order)


def _border_features(values: np.ndarray) -> np.ndarray:
    d1 = np.abs(np.diff(values, axis=1))
    d2 = np.abs(np.diff(values, n=2, axis=1))
    return np.concatenate([d1[:, BORDER - 1 : BORDER], d2[:, BORDER - 2 : BORDER]], axis=1)


def _inside_limits(rule: Rule, pseudo: np.ndarray, mask: np.ndarray, context: Context) -> np.ndarray:
    """Return whether all changed values are inside the channels' limits, [N]."""
    low = np.array([channel.limit_low for channel in context.channels])[None, :, None]
    high = np.array([channel.limit_high for channel in context.channels])[None, :, None]
    if rule.reaches_zero:
        zero = np.array([channel.zero for channel in context.channels])[None, :, None]
        low, high = np.minimum(low, zero), np.maximum(high, zero)
    slack = 1e-4 * (high - low)
    return (~mask | ((pseudo >= low - slack) & (pseudo <= high + slack))).all(axis=(1, 2))


def _share_placed(rule: Rule, context: Context, hosts: Hosts, mask: np.ndarray) -> float:
    """Return the share of masks that begin at an allowed start or up to two samples later (a fade starts at zero)."""
    allowed = allowed_starts(rule.context, context, hosts.windows, hosts.starts).numpy()
    first = mask.any(axis=1).argmax(axis=1)
    near = np.maximum(first[:, None] - np.arange(3), 0)
    return float(allowed[np.arange(len(first))[:, None], near].any(axis=1).mean())


def _durations(changed: np.ndarray) -> np.ndarray:
    """Return the samples from the first to the last changed one, [N]."""
    return changed.shape[1] - changed[:, ::-1].argmax(axis=1) - changed.argmax(axis=1)
