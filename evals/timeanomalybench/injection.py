"""Simulate a scenario with and without a fault on the same random numbers, and label the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.core.errors import InputError
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, World
from ape.series.numerics import robust_scale

VISIBLE = 0.05  # smallest labelled difference, in robust standard deviations of the channel in the twin
MIN_SEVERITY = 0.3
PLACE_TRIES = 200  # attempts to place all events
SIMULATION_TRIES = 20  # attempts to simulate a twin in which the fault can happen


@dataclass(frozen=True)
class FaultEvent:
    """One occurrence of a fault, in time steps.

    The fault acts from ``onset`` to ``end``. Its effect has decayed at ``recovery``. Both ends are exclusive.
    """

    fault: Fault
    severity: float
    onset: int
    end: int
    recovery: int


@dataclass(frozen=True)
class Instance:
    """A series with a fault, its twin without the fault, and the truth about the difference.

    Attributes
    ----------
    scenario : Scenario
    train_end : int
    values, twin : ndarray, float32 [T, C]
    mask : ndarray, bool [T, C]
        Where the two visibly differ.
    benign : ndarray, bool [T]
        Where something rare but normal happened.
    where : ndarray, bool [T]
        Where the fault's precondition is met.
    events : tuple of FaultEvent
    """

    scenario: Scenario
    train_end: int
    values: np.ndarray
    twin: np.ndarray
    mask: np.ndarray
    benign: np.ndarray
    where: np.ndarray
    events: tuple[FaultEvent, ...]

    @property
    def labels(self) -> np.ndarray:
        """Whether any channel shows the fault, bool [T]."""
        return np.asarray(self.mask.any(axis=1))

    @property
    def effect(self) -> np.ndarray:
        """Difference to the twin in robust standard deviations of each channel in the twin, float64 [T, C]."""
        return (self.values.astype(np.float64) - self.twin) / _scale(self.twin)

    @property
    def peak_effect(self) -> float:
        """Largest absolute effect."""
        return float(np.abs(self.effect).max())


def make(
    scenario: Scenario,
    fault: str,
    seed: int,
    length: int = 10_000,
    train_share: float = 0.5,
    events: int = 1,
    severity: float | None = None,
) -> Instance:
    """Simulate a scenario with one fault in its test part, and the twin without it.

    Parameters
    ----------
    scenario : Scenario
    fault : str
        Name of one of its faults.
    seed : int
        The same arguments give the same bytes.
    length : int
        Time steps.
    train_share : float
        Share of the series, at its beginning, without the fault.
    events : int
        Number of occurrences. Fewer are placed if they do not fit.
    severity : float, optional
        From 0 (no effect) to 1. By default drawn from 0.3 to 1 for each event.

    Returns
    -------
    Instance

    Raises
    ------
    InputError
        The fault's precondition is not met in any of 20 simulations.
    """
    kind = scenario.fault(fault)
    train_end = int(train_share * length)
    placing = np.random.default_rng([seed, 1])
    for attempt in range(SIMULATION_TRIES):
        own = [seed, 0, attempt]
        normal = _simulate(scenario, length, own, {})
        world = World(length, scenario.step, placing)
        where = np.ones(length, dtype=bool) if kind.when is None else kind.when(normal.channels, world)
        if spans := _place(kind, where, world, train_end, events):
            break
    else:
        raise InputError(
            f"the precondition of {fault} ({kind.precondition}) is never met in {length} points",
            scenario.name,
            "give a longer series",
        )
    severities = [placing.uniform(MIN_SEVERITY, 1.0) if severity is None else severity for _ in spans]
    strength = np.zeros(length)
    for (begin, end), size in zip(spans, severities, strict=True):
        strength[begin:end] = size * _profile(end - begin, kind.onset)
    faulty = _simulate(scenario, length, own, {fault: strength})

    names = list(scenario.units)
    values, twin = (np.column_stack([run.channels[name] for name in names]) for run in (faulty, normal))
    values, twin = values.astype(np.float32), twin.astype(np.float32)
    mask = np.abs(values - twin) > VISIBLE * _scale(twin)
    ends = [begin for begin, _ in spans[1:]] + [length]
    placed = tuple(
        FaultEvent(kind, size, begin, end, _recovery(mask.any(axis=1), begin, end, until))
        for (begin, end), size, until in zip(spans, severities, ends, strict=True)
    )
    return Instance(scenario, train_end, values, twin, mask, normal.benign, where, placed)


def _simulate(scenario: Scenario, length: int, seed: list[int], strengths: dict[str, np.ndarray]) -> Simulation:
    return scenario.simulate(World(length, scenario.step, np.random.default_rng(seed), strengths))


def _place(kind: Fault, where: np.ndarray, world: World, train_end: int, events: int) -> list[tuple[int, int]]:
    """Return begin and end of separate events in the test part that begin where the precondition is met.

    The list is empty if it is never met.
    """
    allowed = where.copy()
    allowed[: train_end + (world.length - train_end) // 20] = False
    spans: list[tuple[int, int]] = []
    for _ in range(PLACE_TRIES):
        if len(spans) == events:
            break
        low, high = kind.duration
        duration = min(round(low * (high / low) ** world.rng.random()), (world.length - train_end) // 3)
        begins = np.flatnonzero(allowed[: world.length - duration])
        if not len(begins):
            continue
        begin = int(world.rng.choice(begins))
        if all(begin > end + duration or begin + 2 * duration < other for other, end in spans):
            spans.append((begin, begin + duration))
    return sorted(spans)


def _profile(duration: int, onset: float) -> np.ndarray:
    """Return the strength from onset to end: a linear rise over the share ``onset``, then 1."""
    rise = max(1.0, onset * duration)
    return np.minimum(1.0, (np.arange(duration) + 1) / rise)


def _recovery(shown: np.ndarray, begin: int, end: int, until: int) -> int:
    """Return the position after the last visible effect of an event, at least its end."""
    visible = np.flatnonzero(shown[begin:until])
    return max(end, begin + int(visible[-1]) + 1) if len(visible) else end


def _scale(twin: np.ndarray) -> np.ndarray:
    """Return the robust standard deviation of each channel [C], at least a fifth of the plain one.

    The lower bound is for channels that are constant most of the time.
    """
    values = twin.astype(np.float64)
    return np.maximum(robust_scale(values), 0.2 * values.std(axis=0)) + 1e-12
