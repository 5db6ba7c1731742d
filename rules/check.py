"""The discriminability check: whether what a rule generates is visible, for the right reason, plausible, new, placed.

Every figure has one row in `THRESHOLDS`. All are measured on host windows from the last part of the training data,
which the rule's design did not draw its pictures from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ape.rules import Context, Rule, RuleBank, Sample
from ape.rules.placement import allowed_starts
from ape.rules.sampling import sample_and_tell
from ape.series import Series
from ape.series.numerics import auc
from ape.series.windows import sliding

HELD_OUT_SHARE = 0.35  # of the training part: hosts for the check
HOSTS = 192
FOLDS = 4
RIDGE = 10.0  # penalty
SCALE_SLACK = 1.5  # peak change allowed, as a multiple of the scale prior's upper end
SCALE_LEAST = 0.1  # peak change asked for, as a multiple of the scale prior's lower end
MOST = 0.95  # of the anomalies are no larger than ``realised_high``
SPLICE = 3  # samples on either side of a border that the border classifier sees


@dataclass(frozen=True)
class Threshold:
    """When a figure passes: at or above ``at_least``, at or below ``at_most``."""

    meaning: str
    at_least: float | None = None
    at_most: float | None = None

    def passes(self, value: float) -> bool:
        """Whether ``value`` passes."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


THRESHOLDS: dict[str, Threshold] = {
    "visible": Threshold("cross-validated AUC of a light classifier, pseudo against normal windows", at_least=0.8),
    "border": Threshold("AUC of a classifier that sees only the splice borders, unless a jump belongs", at_most=0.65),
    "plausible": Threshold("share of anomalies inside the limits and as large as the scale prior says", at_least=0.9),
    "own": Threshold("share of anomalies that the rule makes where and how it says, without a stand-in", at_least=0.8),
    "new": Threshold("smallest AUC between this rule's anomalies and those of each accepted rule", at_least=0.65),
    "placed": Threshold("share of anomalies that begin where the contextual prior allows", at_least=0.9),
}


@dataclass(frozen=True)
class Hosts:
    """Held-out host windows [N, C, L] with their starts, other windows to judge against, and a reference memory.

    ``known`` keeps the features of accepted rules' anomalies, which every round compares with.
    """

    windows: torch.Tensor
    starts: torch.Tensor
    normal: np.ndarray
    normal_starts: np.ndarray
    reference: np.ndarray
    known: dict[str, np.ndarray] = field(default_factory=dict)


def check_window(context: Context, length: int) -> int:
    """Window of the check: two cycles, at least 64 samples, at most 512 or a sixth of the training part."""
    return int(np.clip(2 * context.cycle, 32, max(32, min(512, length // 6))))


def draw_hosts(series: Series, context: Context, seed: int, *, held_out: bool = True, count: int = HOSTS) -> Hosts:
    """Draw hosts from the held-out last part of training (or from the design part before it)."""
    train = series.train
    window = check_window(context, len(train))
    split = max(window, min(int((1 - HELD_OUT_SHARE) * len(train)), len(train) - 2 * window))
    rng = np.random.default_rng(seed)
    late, early = sliding(train[split:], window), sliding(train[:split], window)
    pool, offset = (late, split) if held_out else (early, 0)
    picks = np.sort(rng.integers(len(pool), size=(2, count)), axis=1)
    memory = early[np.unique(np.linspace(0, len(early) - 1, min(len(early), 800)).astype(int))]
    return Hosts(
        windows=torch.from_numpy(pool[picks[0]].copy()),
        starts=torch.from_numpy(picks[0] + offset),
        normal=pool[picks[1]],
        normal_starts=picks[1] + offset,
        reference=memory.reshape(len(memory), -1),
    )


def discriminability(
    pending: Sequence[Rule], accepted: Sequence[Rule], context: Context, hosts: Hosts, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Figures of every pending rule, each with a row in `THRESHOLDS`, and the sizes that it realised.

    Parameters
    ----------
    pending : sequence of Rule
        In order of preference.
    accepted : sequence of Rule
        In the bank already. Being new is measured against these and the pending rules before it.
    context : Context
    hosts : Hosts
        From `draw_hosts`.
    seed : int

    Returns
    -------
    dict of str to dict
        By rule id: ``visible``, ``border``, ``plausible``, ``own``, ``new``, ``placed``; ``realised_scale``,
        ``realised_low`` and ``realised_high`` (median, 5 % and 95 % quantile of the peak change, in the unit of the
        rule's scale prior) and ``realised_duration`` (median, in samples).
    """
    order = np.concatenate([hosts.normal_starts, hosts.starts.numpy()])
    normal = _features(hosts.normal, hosts)
    seen = [_known(rule, context, hosts, seed, normal) for rule in accepted]
    figures = {}
    for rule in pending:
        made, own = _sample(rule, context, hosts, seed)
        pseudo, mask = made.pseudo.numpy(), made.mask.numpy()
        features = _spread(_features(pseudo, hosts), normal)
        peak = np.abs((pseudo - hosts.windows.numpy()) / _unit(rule, context)).max(axis=(1, 2))
        pairs = np.concatenate([hosts.starts.numpy()] * 2)
        sized = (peak >= SCALE_LEAST * rule.scale.low) & (peak <= SCALE_SLACK * rule.scale.high)
        figures[rule.id] = {
            "visible": _auc(_spread(normal, normal), features, order),
            "border": 0.5 if rule.may_jump else _border_auc(hosts, pseudo, mask),
            "plausible": float(np.mean(_within(pseudo, mask, context) & sized)),
            "own": float(own.double().mean()),
            "new": min([1.0, *(_auc(other, features, pairs) for other in seen)]),
            "placed": _placed(rule, context, hosts, mask),
            "realised_scale": float(np.median(peak)),
            "realised_low": float(np.quantile(peak, 1 - MOST)),
            "realised_high": float(np.quantile(peak, MOST)),
            "realised_duration": float(np.median(_extent(np.any(mask, axis=1)))),
        }
        seen.append(features)
    return figures


def failures(figures: dict[str, float]) -> list[str]:
    """Names of the figures that do not pass."""
    return [name for name, threshold in THRESHOLDS.items() if not threshold.passes(figures[name])]


def _sample(rule: Rule, context: Context, hosts: Hosts, seed: int) -> tuple[Sample, torch.Tensor]:
    bank = RuleBank(context=context, rules=[rule])
    return sample_and_tell(bank, hosts.windows, torch.Generator().manual_seed(seed), hosts.starts)


def _known(rule: Rule, context: Context, hosts: Hosts, seed: int, normal: np.ndarray) -> np.ndarray:
    """Features of an accepted rule's anomalies."""
    key = rule.model_dump_json(exclude={"history"})
    if key not in hosts.known:
        made, _ = _sample(rule, context, hosts, seed + 1)
        hosts.known[key] = _spread(_features(made.pseudo.numpy(), hosts), normal)
    return hosts.known[key]


def _unit(rule: Rule, context: Context) -> np.ndarray:
    field = {"residual_sd": "residual_scale", "series_sd": "scale"}.get(rule.scale.unit)
    units = [getattr(channel, field) if field else 1.0 for channel in context.channels]
    return np.array(units)[None, :, None]


def _extent(changed: np.ndarray) -> np.ndarray:
    """Samples from the first to the last changed one, [N]."""
    return changed.shape[1] - changed[:, ::-1].argmax(axis=1) - changed.argmax(axis=1)


def _features(windows: np.ndarray, hosts: Hosts) -> np.ndarray:
    """Shape statistics of each window and channel, and the distance to the nearest reference window, [N, C, F]."""
    x = windows.astype(np.float64)
    d1, d2 = np.diff(x, axis=2), np.diff(x, n=2, axis=2)
    power = np.abs(np.fft.rfft(x - x.mean(axis=2, keepdims=True), axis=2)) ** 2
    bands = [part.sum(axis=2) for part in np.array_split(power[:, :, 1:], 5, axis=2)]
    low_band = power[:, :, 1:4].sum(axis=2)
    block = max(4, x.shape[2] // 12)
    local = np.lib.stride_tricks.sliding_window_view(x, block, axis=2)[:, :, :: max(1, block // 2)]
    local_std, local_mean = local.std(axis=3), local.mean(axis=3)
    flat = (np.abs(d1) <= 1e-9 * (np.abs(x).max(axis=2, keepdims=True) + 1e-12)).mean(axis=2)
    columns = [
        x.mean(2), x.std(2), x.min(2), x.max(2), np.median(x, axis=2),
        np.abs(d1).mean(2), np.abs(d1).max(2), np.abs(d2).mean(2), np.abs(d2).max(2),
        local_std.min(2), local_std.max(2), local_mean.min(2), local_mean.max(2), flat,
        np.abs(np.diff(local_mean, axis=2)).max(2),
        *(np.log(band + 1e-12) for band in [low_band, *bands]),
    ]  # fmt: skip
    nearest = _nearest(x.reshape(len(x), -1), hosts.reference)
    return np.stack([*columns, np.repeat(nearest[:, None], x.shape[1], axis=1)], axis=2)


def _nearest(flat: np.ndarray, reference: np.ndarray) -> np.ndarray:
    square = (flat**2).sum(1)[:, None] - 2 * flat @ reference.T + (reference**2).sum(1)[None]
    return np.sqrt(np.maximum(square.min(axis=1), 0.0))


def _spread(features: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Standardise by the normal windows; keep the signed value of one channel, or the worst and mean of several."""
    z = (features - normal.mean(axis=0)) / (normal.std(axis=0) + 1e-9)
    z = np.clip(z, -20, 20)
    size = np.abs(z)
    return np.concatenate([z[:, 0] if z.shape[1] == 1 else size.mean(axis=1), size.max(axis=1)], axis=1)


def _auc(negative: np.ndarray, positive: np.ndarray, order: np.ndarray) -> float:
    """Cross-validated AUC of a ridge classifier; folds are contiguous in time, so that no window is half seen."""
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
    """Weights of a ridge regression of ``y`` [N] on standardised columns of ``x`` [N, F], for columns as they are."""
    scale = x.std(axis=0)
    scale[scale == 0] = 1.0
    z = (x - x.mean(axis=0)) / scale
    return np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean())) / scale


def _border_auc(hosts: Hosts, pseudo: np.ndarray, mask: np.ndarray) -> float:
    """AUC of a classifier that sees a few samples about each border, against the same places in normal windows."""
    rows, channels, places = np.nonzero(mask[:, :, 1:] != mask[:, :, :-1])
    inside = (places >= SPLICE - 1) & (places < mask.shape[2] - SPLICE)
    rows, channels, places = rows[inside], channels[inside], places[inside]
    if len(rows) < 4 * FOLDS:
        return 0.5
    index = places[:, None] + np.arange(1 - SPLICE, SPLICE + 1)
    spliced = _border_features(pseudo[rows[:, None], channels[:, None], index])
    normal = _border_features(hosts.normal[rows[:, None], channels[:, None], index])
    scale = normal.std(axis=0) + 1e-12
    place = np.concatenate([hosts.normal_starts[rows], hosts.starts.numpy()[rows]])
    return _auc(normal / scale, spliced / scale, place)


def _border_features(values: np.ndarray) -> np.ndarray:
    d1 = np.abs(np.diff(values, axis=1))
    across = np.abs(np.diff(values, n=2, axis=1))[:, SPLICE - 2 : SPLICE]
    return np.concatenate([d1[:, SPLICE - 1 : SPLICE], across], axis=1)


def _within(pseudo: np.ndarray, mask: np.ndarray, context: Context) -> np.ndarray:
    low = np.array([channel.limit_low for channel in context.channels])[None, :, None]
    high = np.array([channel.limit_high for channel in context.channels])[None, :, None]
    slack = 1e-4 * (high - low)
    return (~mask | ((pseudo >= low - slack) & (pseudo <= high + slack))).all(axis=(1, 2))


def _placed(rule: Rule, context: Context, hosts: Hosts, mask: np.ndarray) -> float:
    """Share of masks whose first sample, or one of the two before it (a fade starts at zero), is an allowed start."""
    allowed = allowed_starts(rule.context, context, hosts.windows, hosts.starts).numpy()
    first = mask.any(axis=1).argmax(axis=1)
    near = np.maximum(first[:, None] - np.arange(3), 0)
    return float(allowed[np.arange(len(first))[:, None], near].any(axis=1).mean())
