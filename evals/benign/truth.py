"""Benign rules written from the truth: when a scenario's rare normal events happen, and how far values go there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from ape.evals.timeanomalybench import Scenario, make
from ape.evals.timeanomalybench.scenario import DAY
from ape.rules import OPERATORS, Rule, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, Evidence, Range, ScalePrior
from ape.series.numerics import robust_scale
from ape.series.series import runs

RUNS, LENGTH = 6, 10_000  # simulated series that the truth is read from, and their points
FIRST_RUN = 5_000  # their seeds are others than those of the series that are measured
PLACES = 32  # to which each event is stretched or shrunk, so that shapes can be averaged
QUIET_PLACES = 4  # stretches without an event, for each event, that it is compared with
RARE = 0.95  # quantile of what they show, beyond which an event stands out
FEWEST = 2  # events of a kind
OFTEN = 0.2  # share of the events from which on they are a kind of their own
MOSTLY = 0.5  # share of the events of a kind in which a channel must stand out
USUAL = (0.1, 0.9)  # quantiles of sizes
WIDEST = 12.0  # hours; an event whose begins are farther apart has no hours
FEWEST_WEEKS = 2  # that days of the week are compared in
ALIKE = 0.5  # of the distance to its own day of the week: a day that is so near to others looks like these
SHAPES = {  # operators that add a change, and its course
    "level_shift": np.ones(PLACES),
    "trend_drift": 1 - np.abs(np.linspace(-1, 1, PLACES)),
    "spike_context": np.exp(-np.arange(PLACES) / (PLACES / 4)),
}
WAYS: tuple[Literal["up", "down"], ...] = ("up", "down")


@dataclass(frozen=True)
class Events:
    """The rare normal events of simulated series.

    Parameters
    ----------
    begins, lengths : ndarray, int64 [n]
        Samples.
    course, normal : ndarray [n, PLACES, 2 C]
        How far each channel goes up, and after these how far each goes down, in standard deviations, of the events and
        of stretches without one.
    """

    begins: np.ndarray
    lengths: np.ndarray
    course: np.ndarray
    normal: np.ndarray


def benign_rules(scenario: Scenario) -> list[Rule]:
    """Return a rule for each channel that the rare normal events of a scenario move, in each kind of these events.

    They are read from the truth alone, so that they are made for the scenarios of both parts in the same way. Size,
    direction, length, shape and hours are those of the events in other simulated series, measured against the usual
    course of the cycle and the time just before and after. Events are of the same kind if the same channel stands out
    most. Days that look like other days of the week become one rule that says so.
    """
    runs_of = [_simulated(scenario, seed) for seed in range(FIRST_RUN, FIRST_RUN + RUNS)]
    if days := _like_weekdays(scenario, runs_of):
        return [_day_rule(days)]
    found = _joined([_events(scenario, *run) for run in runs_of])
    if not len(found.lengths):
        return []
    peaks, usual_peaks = (ndimage.uniform_filter1d(x, 3, axis=1).max(axis=1) for x in (found.course, found.normal))
    means, usual_means = (x.mean(axis=1) for x in (found.course, found.normal))
    beyond = np.maximum(peaks / np.quantile(usual_peaks, RARE, axis=0), means / np.quantile(usual_means, RARE, axis=0))
    kinds = beyond.argmax(axis=1)
    rules = []
    for kind, count in Counter(kinds.tolist()).most_common():
        own = kinds == kind
        if count < max(FEWEST, OFTEN * len(kinds)) or (beyond[own, kind] > 1).mean() < MOSTLY:
            continue
        for at in np.flatnonzero((beyond[own] > 1).mean(axis=0) >= MOSTLY):
            clear = own & (beyond[:, at] > 1)
            rules.append(_rule(scenario, kind, at, found, clear, np.quantile(peaks[clear, at], USUAL)))
    return rules


def _rule(scenario: Scenario, kind: int, at: int, found: Events, clear: np.ndarray, size: np.ndarray) -> Rule:
    """Return the rule of a channel and way, from the events in which it stands out."""
    channels = list(scenario.units)
    channel, way = channels[at % len(channels)], WAYS[at // len(channels)]
    mean = found.course[clear, :, at].mean(axis=0)
    name = min(SHAPES, key=lambda shape: _misfit(mean, SHAPES[shape]))
    low, high = size.clip(min=0.05)
    lengths = found.lengths[clear]
    truth = {
        "id": f"normal-{kind}-{channel.replace('_', '-')[:24].lower()}-{way}",
        "mechanism": "transient",
        "morphology": OPERATORS[name].broad.morphology,
        "scale": ScalePrior(low=low, high=high, unit="series_sd", direction=way),
        "duration": DurationPrior(low=lengths.min(), high=lengths.max(), unit="samples"),
        "context": ContextualPrior(
            channels=[channel], hours=_hours(found.begins[clear] * scenario.step, scenario.step)
        ),
        "evidence": [Evidence(kind="text", id="text", quote=f"Normal event of kind {kind}.")],
    }
    return Rule.model_validate(broad_rule(name).model_copy(update=truth).model_dump())


def _day_rule(days: list[int]) -> Rule:
    context = ContextualPrior(like_weekdays=days)
    return broad_rule("level_shift").model_copy(update={"id": "normal-day", "context": context})


def _simulated(scenario: Scenario, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of one run without its fault, in standard deviations [T, C], and where an event is [T]."""
    run = make(scenario, scenario.faults[0].name, seed, LENGTH)
    return run.twin / np.maximum(robust_scale(run.twin.astype(np.float64)), 1e-9), run.benign


def _events(scenario: Scenario, values: np.ndarray, benign: np.ndarray) -> Events:
    """Return the events of one run."""
    cycle = max(scenario.cycle, 1)
    unknown = np.full((-len(values) % cycle, values.shape[1]), np.nan)
    cycles = np.concatenate([np.where(benign[:, None], np.nan, values), unknown]).reshape(-1, cycle, values.shape[1])
    away = values - np.nanmedian(cycles, axis=0)[np.arange(len(values)) % cycle]
    begins, ends = runs(benign)
    inside = (begins >= ends - begins) & (2 * ends - begins <= len(values))
    begins, lengths = begins[inside], (ends - begins)[inside]
    rng = np.random.default_rng(len(begins))
    courses = [_course(away, begin, length) for begin, length in zip(begins, lengths, strict=True)]
    normal = [
        _course(away, begin, length)
        for length in lengths
        for begin in rng.permutation(_free(benign, length))[:QUIET_PLACES]
    ]
    shape = (-1, PLACES, 2 * values.shape[1])
    return Events(begins, lengths, np.array(courses).reshape(shape), np.array(normal).reshape(shape))


def _free(benign: np.ndarray, length: int) -> np.ndarray:
    """Return where stretches begin that have no event in them, nor just before or after."""
    events = np.concatenate([[0], np.cumsum(benign)])
    return length + np.flatnonzero(events[3 * length :] == events[: -3 * length])


def _joined(parts: list[Events]) -> Events:
    return Events(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def _course(away: np.ndarray, begin: int, length: int) -> np.ndarray:
    """Return how far a stretch is from the time before and after it, each way, [PLACES, 2 C]."""
    end = begin + length
    around = np.concatenate([away[begin - length : begin], away[end : end + length]])
    at = np.linspace(begin, end - 1, PLACES).round().astype(int)
    course = away[at] - np.nanmedian(around, axis=0)
    return np.concatenate([course, -course], axis=1)


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


def _like_weekdays(scenario: Scenario, runs_of: list[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    """Return the other days of the week that events of whole days look like in some channel, 0 is Monday."""
    day = round(DAY / scenario.step)
    whole = [values[: len(values) // day * day].reshape(-1, day, values.shape[1]) for values, _ in runs_of]
    marked = [benign[: len(benign) // day * day].reshape(-1, day) for _, benign in runs_of]
    weekday = np.concatenate([np.arange(len(each)) % 7 for each in marked])
    days, events = np.concatenate(whole), np.concatenate(marked)
    special = events.all(axis=1)
    if len(days) < FEWEST_WEEKS * 7 or not special.any() or (events.any(axis=1) & ~special).any():
        return []
    course = days - days.mean(axis=1, keepdims=True)
    usual = np.array([course[~special & (weekday == each)].mean(axis=0) for each in range(7)])
    far = np.square(course[special][:, None] - usual).mean(axis=2)  # [events, 7, C]
    own = far[np.arange(len(far)), weekday[special]]
    like = far < ALIKE * own[:, None]  # never its own day
    counts = np.array([(weekday[special] != each).sum() for each in range(7)]).clip(min=1)
    return np.flatnonzero((like.sum(axis=0) / counts[:, None] > MOSTLY).any(axis=1)).tolist()
