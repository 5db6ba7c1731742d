"""Benign rules written from the truth: where a scenario's rare normal event happens, and how far values go there."""

from __future__ import annotations

import numpy as np

from ape.evals.timeanomalybench import Scenario, make
from ape.evals.timeanomalybench.scenario import DAY
from ape.rules import OPERATORS, Rule, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, Range, ScalePrior
from ape.series.numerics import robust_scale
from ape.series.series import runs

RUNS, LENGTH = 6, 10_000  # simulated series that the truth is read from, and their points
FIRST_RUN = 5_000  # their seeds are others than those of the series that are measured
PLACES = 32  # to which each event is stretched or shrunk, so that shapes can be averaged
CLEAR = 3.0  # standard errors by which a channel must move
LEAST = 0.3  # and standard deviations of the channel
USUAL = (0.1, 0.9)  # quantiles of sizes
WIDEST = 12.0  # hours; an event whose begins are farther apart has no hours
SHAPES = {  # operators that add a change, and its course
    "level_shift": np.ones(PLACES),
    "trend_drift": 1 - np.abs(np.linspace(-1, 1, PLACES)),
    "spike_context": np.exp(-np.arange(PLACES) / (PLACES / 4)),
}


def benign_rules(scenario: Scenario) -> list[Rule]:
    """Return a rule for each channel in which the rare normal event of a scenario clearly shows.

    It is read from the truth alone, so that it is made for the scenarios of both parts in the same way. Its size,
    direction, length, shape and hours are those of the events in other simulated series, measured against the usual
    course of the cycle and the time just before and after.
    """
    found = [_events(scenario, seed) for seed in range(FIRST_RUN, FIRST_RUN + RUNS)]
    lengths = np.concatenate([ends - begins for begins, ends, _ in found])
    begins = np.concatenate([begins for begins, _, _ in found])
    moved = np.concatenate([course for _, _, course in found])  # [events, PLACES, C]
    if not len(lengths):
        return []
    mean = moved.mean(axis=(0, 1))
    error = moved.mean(axis=1).std(axis=0) / np.sqrt(len(moved)) + 1e-9
    clear = (np.abs(mean) > CLEAR * error) & (np.abs(mean) > LEAST)
    clear[np.argmax(np.abs(mean))] = True
    hours = _hours(begins * scenario.step, scenario.step)
    rules = []
    for at in np.flatnonzero(clear):
        course = moved[..., at].mean(axis=0)
        name = min(SHAPES, key=lambda shape: _misfit(course, SHAPES[shape]))
        shape = SHAPES[name]
        sizes = np.abs(moved[..., at] @ shape / (shape @ shape))
        low, high = np.quantile(sizes, USUAL).clip(min=0.05)
        channel = list(scenario.units)[at]
        truth = {
            "id": f"normal-{channel.replace('_', '-')[:30].lower()}",
            "mechanism": "transient",
            "morphology": OPERATORS[name].broad.morphology,
            "scale": ScalePrior(low=low, high=high, unit="series_sd", direction="up" if mean[at] > 0 else "down"),
            "duration": DurationPrior(low=lengths.min(), high=lengths.max(), unit="samples"),
            "context": ContextualPrior(channels=[channel], hours=hours),
        }
        rules.append(broad_rule(name).model_copy(update=truth))
    return [Rule.model_validate(rule.model_dump()) for rule in rules]


def _events(scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return begins, ends and courses [n, PLACES, C] of the events of one run, in standard deviations."""
    run = make(scenario, scenario.faults[0].name, seed, LENGTH)
    values = run.twin / np.maximum(robust_scale(run.twin.astype(np.float64)), 1e-9)
    cycle = max(scenario.cycle, 1)
    unknown = np.full((-len(values) % cycle, values.shape[1]), np.nan)
    cycles = np.concatenate([np.where(run.benign[:, None], np.nan, values), unknown]).reshape(
        -1, cycle, values.shape[1]
    )
    away = values - np.nanmedian(cycles, axis=0)[np.arange(len(values)) % cycle]
    begins, ends = runs(run.benign)
    inside = [k for k, (b, e) in enumerate(zip(begins, ends, strict=True)) if b >= e - b and 2 * e - b <= len(values)]
    courses = [_course(away, begins[k], ends[k]) for k in inside]
    return begins[inside], ends[inside], np.array(courses).reshape(-1, PLACES, values.shape[1])


def _course(away: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Return how far an event is from the time before and after it, [PLACES, C]."""
    length = end - begin
    around = np.concatenate([away[begin - length : begin], away[end : end + length]])
    at = np.linspace(begin, end - 1, PLACES).round().astype(int)
    return np.asarray(away[at] - np.nanmedian(around, axis=0))


def _misfit(course: np.ndarray, shape: np.ndarray) -> float:
    return float(np.square(course - shape * (course @ shape) / (shape @ shape)).sum())


def _hours(seconds: np.ndarray, step: float) -> Range | None:
    """Return the shortest range of hours of the day that all begins are in; None if it is longer than half a day."""
    if step * LENGTH < 2 * DAY:
        return None
    hours = np.sort(seconds % DAY / 3600)
    gaps = np.diff(hours, append=hours[0] + 24)
    after = int(np.argmax(gaps))
    low, length = hours[(after + 1) % len(hours)], 24 - gaps[after]
    return Range(low=low, high=low + length) if length <= WIDEST else None
