"""Do a bank's pseudo-anomalies look and act like the true ones: ``python -m ape.evals.fidelity --out DIR``.

For every scenario of TimeAnomaly-Bench, way of mining and seed a bank is mined from the normal part, and judged against
each fault of the scenario, which the miner never sees. Ways of mining differ in the text that is there and in the parts
of the loop that are left out, so that what each brings can be seen. Beside them stand an oracle bank (written from the
truth), a random bank, CutAddPaste alone, and normal windows. One JSON file a scenario, way and seed, so that it can be
interrupted; ``tables.txt`` at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.stride_tricks import sliding_window_view

from ape.evals.jobs import measure_all, options, publish
from ape.evals.timeanomalybench import SCENARIOS, Instance, Scenario, make
from ape.evals.timeanomalybench.texts import written
from ape.graphs import mine
from ape.rules import OPERATORS, Context, RuleBank, generic_bank, generic_rule
from ape.rules.placement import allowed_starts
from ape.rules.schema import ContextualPrior, DurationPrior, Rule, ScalePrior
from ape.series import from_array
from ape.series.numerics import auc

LEVELS = ("none", "measured", "manual", "log")
ALONE = frozenset({"pictures", "critic"})
MININGS = {  # text level, and parts of the loop that are left out
    "profile": ("none", ALONE),
    "+ text": ("manual", ALONE),
    "+ pictures": ("manual", frozenset({"critic"})),
    "+ critic, none": ("none", frozenset()),
    "+ critic, measured": ("measured", frozenset()),
    "+ critic, manual": ("manual", frozenset()),
    "+ critic, log": ("log", frozenset()),
}
STEPS = (("profile", "+ text"), ("+ text", "+ pictures"), ("+ pictures", "+ critic, manual"))
SEEDS = 3
TOP = (1, 3, 5)
WINDOWS = 200  # of each kind, at most
NEIGHBOURS = 5
FOLDS = 4
RUNS = 8  # of each fault, for true windows
RANDOM_RULES = 5
BOOTSTRAPS = 2000
LABELS = {"scenario", "confirmation", "fault", "bank", "seed", "rules", "true_windows"}  # not figures


@dataclass(frozen=True)
class Windows:
    """Features [N, C, F] of true anomalous, and of normal, windows, and hosts to generate from."""

    true: np.ndarray
    normal: np.ndarray
    other_normal: np.ndarray
    hosts: torch.Tensor
    starts: torch.Tensor


def semantics(bank: RuleBank, instance: Instance) -> dict[str, float]:
    """Whether a bank's rules say what went wrong: by weight, best first.

    Returns
    -------
    dict
        ``mechanism@k`` and ``morphology@k``: 1 where the fault's term is among the first k rules'. ``scale`` and
        ``duration``: share of events whose peak effect (robust sd of the channel) and length (samples) lie in the
        prior of a rule with the fault's mechanism, 0 without one. ``scale_overlap`` and ``duration_overlap``:
        intersection over union of the best such prior's range and the fault's, on a log scale, so that no prior gains
        by being wide. ``context``: mean of the share of true onsets that
        such a rule allows and, where the fault has a precondition, of the share of the other positions that it
        forbids.
    """
    rules = sorted(bank.rules, key=lambda rule: -rule.weight)
    fault = instance.events[0].fault
    figures = {}
    for k in TOP:
        figures[f"mechanism@{k}"] = float(fault.mechanism in [rule.mechanism for rule in rules[:k]])
        figures[f"morphology@{k}"] = float(fault.morphology in [rule.morphology for rule in rules[:k]])
    alike = [rule for rule in rules if rule.mechanism == fault.mechanism]
    effect = np.abs(instance.effect).max(axis=1)
    peaks = np.array([effect[event.onset : event.recovery].max() for event in instance.events])
    lengths = np.array([event.end - event.onset for event in instance.events], dtype=float)
    figures["scale"] = _covered(peaks, [_scale_range(rule, bank.context) for rule in alike])
    figures["duration"] = _covered(lengths, [_duration_range(rule, bank.context) for rule in alike])
    figures["scale_overlap"] = _overlap([_scale_range(rule, bank.context) for rule in alike], fault.scale)
    figures["duration_overlap"] = _overlap([_duration_range(rule, bank.context) for rule in alike], fault.duration)
    figures["context"] = max([_context(rule, bank.context, instance) for rule in alike], default=0.0)
    return figures


def alignment(bank: RuleBank | None, windows: Windows, context: Context, seed: int) -> dict[str, float]:
    """How close pseudo-anomalous windows come to true ones; without a bank, how close normal windows do.

    Returns
    -------
    dict
        ``c2st``: AUC of a classifier between the two (Lopez-Paz and Oquab 2017), 0.5 is the aim. ``mmd``: maximum mean
        discrepancy with a Gaussian kernel at the median distance (Gretton et al. 2012). ``density`` and ``coverage``
        over 5 neighbours (Naeem et al. 2020): true windows are the real ones.
    """
    if bank is None or not bank.rules:
        made = windows.other_normal
    else:
        generator = torch.Generator().manual_seed(seed)
        made = window_features(bank.sample(windows.hosts, generator, windows.starts).pseudo.numpy(), context)
    both = np.concatenate([_deviations(part, windows.normal) for part in (windows.true, made)])
    squared, count = _squared(both), len(windows.true)
    return {"c2st": _c2st(squared, count), "mmd": _mmd(squared, count), **_density_coverage(squared, count)}


def windows_of(instances: Sequence[Instance], context: Context, seed: int) -> Windows:
    """Windows of two cycles of runs with one fault: true ones about its events, normal ones away from them.

    A true window shows at least half of an event, or half as much as fits. Hosts and normal windows are of the first
    run's training and test part.
    """
    width = int(np.clip(2 * context.cycle, 32, 256))
    rng = np.random.default_rng([seed, 6])

    def cut(values: np.ndarray, positions: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = np.sort(rng.choice(positions, min(most, len(positions)), replace=False))
        return np.stack([values[at : at + width].T for at in chosen]), chosen

    true = []
    for instance in instances:
        shown = sliding_window_view(instance.labels, width).sum(axis=1)
        sizes = [max(1, instance.labels[event.onset : event.recovery].sum()) for event in instance.events]
        holds = np.flatnonzero(shown >= 0.5 * min(width, *sizes))
        if len(holds):
            true.append(cut(instance.values, holds, WINDOWS // len(instances))[0])
    first = instances[0]
    free = np.flatnonzero(sliding_window_view(~first.labels, width).all(axis=1))
    early, late = free[free + width <= first.train_end], free[free >= first.train_end]
    hosts, starts = cut(first.twin, early, WINDOWS)
    return Windows(
        true=window_features(np.concatenate(true), context),
        normal=window_features(cut(first.twin, early, WINDOWS)[0], context),
        other_normal=window_features(cut(first.twin, late, WINDOWS)[0], context),
        hosts=torch.from_numpy(hosts),
        starts=torch.from_numpy(starts),
    )


def window_features(windows: np.ndarray, context: Context) -> np.ndarray:
    """Level, spread, extremes, roughness and band powers of each channel in its robust sd, [N, C, F]."""
    scale = np.array([channel.scale for channel in context.channels])[None, :, None]
    x = windows.astype(np.float64) / scale
    step = np.diff(x, axis=2)
    power = np.abs(np.fft.rfft(x - x.mean(axis=2, keepdims=True), axis=2))[:, :, 1:]
    bands = [np.log(part.sum(axis=2) + 1e-3) for part in np.array_split(power, 6, axis=2)]
    columns = [x.mean(2), x.std(2), x.min(2), x.max(2), np.abs(step).mean(2), np.abs(step).max(2), *bands]
    return np.stack(columns, axis=2)


def _deviations(features: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """How far each feature is from normal: mean and largest over channels, [N, 2 F]."""
    size = np.log1p(np.abs((features - normal.mean(axis=0)) / (normal.std(axis=0) + 1e-6)))
    return np.concatenate([size.mean(axis=1), size.max(axis=1)], axis=1)


def oracle_bank(instance: Instance, context: Context) -> RuleBank:
    """Bank written from the truth: operators that make the fault's morphology, at its sizes, in its channels."""
    fault = instance.events[0].fault
    names = [name for name, op in OPERATORS.items() if op.broad.morphology == fault.morphology and not op.relational]
    rules = []
    for name in names or ["cut_add_paste"]:
        rules.append(
            generic_rule(name).model_copy(
                update={
                    "mechanism": fault.mechanism,
                    "morphology": fault.morphology,
                    "scale": ScalePrior(low=fault.scale[0], high=fault.scale[1], unit="series_sd"),
                    "duration": DurationPrior(low=fault.duration[0], high=fault.duration[1], unit="samples"),
                    "context": ContextualPrior(channels=list(fault.shows)),
                }
            )
        )
    return RuleBank(context=context, rules=rules)


def random_bank(context: Context, seed: int) -> RuleBank:
    """A few broad rules, drawn at random."""
    names = [rule.id for rule in generic_bank(context).rules]
    return generic_bank(context, np.random.default_rng([seed, 7]).choice(names, RANDOM_RULES, replace=False).tolist())


def measure(scenario: Scenario, mining: str, seed: int) -> list[dict[str, Any]]:
    """Rows of figures: one for each fault and each bank; ``mining`` is a key of `MININGS`."""
    level, without = MININGS[mining]
    runs = {
        fault.name: [make(scenario, fault.name, 1000 * run + seed, events=3) for run in range(RUNS)]
        for fault in scenario.faults
    }
    first = next(iter(runs.values()))[0]
    text = None
    if level != "none":
        texts = written(scenario.texts, len(first.values) * scenario.step, seed)
        text = "\n".join(texts[name] for name in LEVELS[1 : LEVELS.index(level) + 1])
    series = from_array(first.twin, list(scenario.units), first.train_end, text=text)
    bank = mine(series, seed=seed, without=without)
    context = bank.context
    rows = []
    for fault, instances in runs.items():
        windows, instance = windows_of(instances, context, seed), instances[0]
        banks: dict[str, RuleBank | None] = {mining: bank}
        if mining == "profile":  # once, these know no text
            banks |= {
                "oracle": oracle_bank(instance, context),
                "random": random_bank(context, seed),
                "cut_add_paste": generic_bank(context, ["cut_add_paste"]),
                "normal": None,
            }
        for name, judged in banks.items():
            empty = RuleBank(context=context)
            rows.append(
                {
                    "scenario": scenario.name,
                    "confirmation": scenario.confirmation,
                    "fault": fault,
                    "bank": name,
                    "seed": seed,
                    "rules": len((judged or empty).rules),
                    "true_windows": len(windows.true),
                    **semantics(judged or empty, instance),
                    **alignment(judged, windows, context, seed),
                }
            )
    return rows


def tables(rows: pd.DataFrame) -> str:
    """Means with 95 % bootstrap intervals over faults, for scenarios to tune on and to confirm on, and each step."""
    figures = [name for name in rows.columns if name not in LABELS]
    parts = []
    for confirmation, half in rows.groupby("confirmation"):
        by_fault = half.groupby(["bank", "scenario", "fault"], sort=False)[figures].mean()
        banks = {bank: by_fault.loc[bank] for bank in half["bank"].unique()}
        count = (
            f"{half['scenario'].nunique()} scenarios, {half['fault'].nunique()} faults, {half['seed'].nunique()} seeds"
        )
        means = pd.DataFrame({bank: _intervals(table) for bank, table in banks.items()}).T
        steps = {
            f"{after} less {before}": _intervals(banks[after] - banks[before])
            for before, after in STEPS
            if before in banks and after in banks
        }
        title = "Confirmation" if confirmation else "Tuning"
        parts.append(f"{title}: {count}; mean [95 % bootstrap interval over faults]\n\n{means.to_string()}\n")
        if steps:
            parts.append(f"{title}: what each step adds\n\n{pd.DataFrame(steps).T.to_string()}\n")
    return "\n".join(parts)


def main() -> None:
    """Measure what is missing, then write the tables."""
    parser = options("fidelity", __doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N")
    arguments = parser.parse_args()
    jobs = [
        f"{scenario}--{mining}--{seed}"
        for seed in range(arguments.seeds)
        for scenario in SCENARIOS
        for mining in MININGS
    ]
    results = measure_all(jobs, _measured, arguments.out, arguments.workers)
    publish(arguments.out, tables(pd.DataFrame([row for result in results for row in result["rows"]])))


def _measured(job: str) -> dict[str, Any]:
    scenario, mining, seed = job.split("--")
    return {"rows": measure(SCENARIOS[scenario], mining, int(seed))}


def _covered(values: np.ndarray, ranges: list[tuple[float, float]]) -> float:
    inside = [(values >= low) & (values <= high) for low, high in ranges]
    return float(np.mean(np.any(inside, axis=0))) if inside else 0.0


def _overlap(ranges: list[tuple[float, float]], true: tuple[float, float]) -> float:
    """Largest intersection over union of ``ranges`` with a true one, of logarithms."""
    low, high = np.log(true)
    shares = [
        max(0.0, min(high, np.log(b)) - max(low, np.log(a))) / (max(high, np.log(b)) - min(low, np.log(a)))
        for a, b in ranges
    ]
    return float(max(shares, default=0.0))


def _scale_range(rule: Rule, context: Context) -> tuple[float, float]:
    """Scale prior in robust sd of the series, by the channel where it is widest."""
    factor = {
        "series_sd": [1.0 for _ in context.channels],
        "residual_sd": [channel.residual_scale / channel.scale for channel in context.channels],
        "data": [1.0 / channel.scale for channel in context.channels],
    }[rule.scale.unit]
    return rule.scale.low * min(factor), rule.scale.high * max(factor)


def _duration_range(rule: Rule, context: Context) -> tuple[float, float]:
    unit = context.cycle if rule.duration.unit == "periods" else 1
    return rule.duration.low * unit, rule.duration.high * unit


def _context(rule: Rule, context: Context, instance: Instance) -> float:
    test = torch.from_numpy(instance.twin.T[None].copy())
    allowed = allowed_starts(rule.context, context, test, torch.zeros(1, dtype=torch.long))[0].numpy()
    at_onset = float(np.mean([allowed[event.onset] for event in instance.events]))
    elsewhere = ~instance.where
    return at_onset if not elsewhere.any() else 0.5 * (at_onset + float(np.mean(~allowed[elsewhere])))


def _squared(x: np.ndarray) -> np.ndarray:
    """Squared distances [N, N] between rows, of which the first are true windows and the others pseudo-anomalous."""
    square = (x**2).sum(axis=1)
    return np.maximum(square[:, None] + square - 2 * x @ x.T, 0.0)


def _c2st(squared: np.ndarray, true: int) -> float:
    """Cross-validated AUC of nearest neighbours: the share of a point's neighbours that are pseudo-anomalies."""
    counts = (true, len(squared) - true)
    y = np.repeat([0, 1], counts)
    fold = np.concatenate([np.arange(count) * FOLDS // count for count in counts])
    scores = np.zeros(len(y))
    for k in range(FOLDS):
        test, train = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        near = train[np.argsort(squared[np.ix_(test, train)], axis=1)[:, : 3 * NEIGHBOURS]]
        scores[test] = y[near].mean(axis=1)
    return auc(scores[y == 0], scores[y == 1])


def _mmd(squared: np.ndarray, true: int) -> float:
    kernel = np.exp(-squared / (np.median(squared[squared > 0]) + 1e-12))
    value = kernel[:true, :true].mean() + kernel[true:, true:].mean() - 2 * kernel[:true, true:].mean()
    return float(np.sqrt(max(value, 0.0)))


def _density_coverage(squared: np.ndarray, true: int) -> dict[str, float]:
    k = min(NEIGHBOURS, true - 1)
    radius = np.sort(squared[:true, :true], axis=1)[:, k]  # the first is the point itself
    inside = squared[:true, true:] <= radius[:, None]
    return {"density": float(inside.sum() / (k * inside.shape[1])), "coverage": float(inside.any(axis=1).mean())}


def _intervals(table: pd.DataFrame) -> dict[str, str]:
    rng = np.random.default_rng(0)
    values = table.to_numpy()
    draws = values[rng.integers(len(values), size=(BOOTSTRAPS, len(values)))].mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return {
        name: f"{mean:.2f} [{a:.2f}, {b:.2f}]"
        for name, mean, a, b in zip(table.columns, values.mean(axis=0), low, high, strict=True)
    }


if __name__ == "__main__":
    main()
