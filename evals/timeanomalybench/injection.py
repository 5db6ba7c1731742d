"""Running a scenario twice on the same random numbers, with a fault and without it, and labelling the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ape.core.errors import InputError
from ape.evals.timeanomalybench.scenario import Fault, Run, Scenario, World
from ape.series.numerics import robust_scale

VISIBLE = 0.05  # robust sd of the channel's normal run: a smaller difference is no label
MILDEST = 0.3  # severity
TRIES = 200  # at a place for an event
TURNS = 20  # at a run of the process in which the fault can happen


@dataclass(frozen=True)
class Event:
    """One occurrence of a fault, in time steps; ``end`` and ``recovery`` are exclusive.

    It acts from ``onset`` to ``end``; its effect has died away at ``recovery``.
    """

    fault: Fault
    severity: float
    onset: int
    end: int
    recovery: int


@dataclass(frozen=True)
class Instance:
    """A series, its twin that never had the fault, and all that is known about the difference.

    ``values`` and ``twin`` are float32 [T, C]; ``mask`` bool [T, C] is where they visibly differ; ``benign`` bool [T]
    is where something rare but normal happened; ``where`` bool [T] is where the fault's precondition holds.
    """

    scenario: Scenario
    train_end: int
    values: np.ndarray
    twin: np.ndarray
    mask: np.ndarray
    benign: np.ndarray
    where: np.ndarray
    events: tuple[Event, ...]

    @property
    def labels(self) -> np.ndarray:
        """Whether any channel shows the fault, bool [T]."""
        return np.asarray(self.mask.any(axis=1))

    @property
    def effect(self) -> np.ndarray:
        """Difference to the twin in robust standard deviations of each channel's normal run, float64 [T, C]."""
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
    """Run a scenario with one fault in its test part, and its twin.

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
        Part of the series before which nothing goes wrong.
    events : int
        How often it happens, as far as there is room.
    severity : float, optional
        From 0 (no effect at all) to 1; default: drawn from 0.3 to 1 for each event.

    Raises
    ------
    InputError
        If the fault's precondition does not hold in any of 20 runs.
    """
    kind = scenario.fault(fault)
    train_end = int(train_share * length)
    placing = np.random.default_rng([seed, 1])
    for turn in range(TURNS):
        own = [seed, 0, turn]
        normal = _run(scenario, length, own, {})
        world = World(length, scenario.step, placing)
        where = np.ones(length, dtype=bool) if kind.when is None else kind.when(normal.channels, world)
        if spans := _place(kind, where, world, train_end, events):
            break
    else:
        raise InputError(
            f"the precondition of {fault} ({kind.precondition}) never holds in {length} points",
            scenario.name,
            "give a longer series",
        )
    given = [placing.uniform(MILDEST, 1.0) if severity is None else severity for _ in spans]
    strength = np.zeros(length)
    for (begin, end), size in zip(spans, given, strict=True):
        strength[begin:end] = size * _profile(end - begin, kind.onset)
    faulty = _run(scenario, length, own, {fault: strength})

    names = list(scenario.units)
    values, twin = (np.column_stack([run.channels[name] for name in names]) for run in (faulty, normal))
    values, twin = values.astype(np.float32), twin.astype(np.float32)
    mask = np.abs(values - twin) > VISIBLE * _scale(twin)
    ends = [begin for begin, _ in spans[1:]] + [length]
    labelled = tuple(
        Event(kind, size, begin, end, _recovery(mask.any(axis=1), begin, end, until))
        for (begin, end), size, until in zip(spans, given, ends, strict=True)
    )
    return Instance(scenario, train_end, values, twin, mask, normal.benign, where, labelled)


def _run(scenario: Scenario, length: int, seed: list[int], strengths: dict[str, np.ndarray]) -> Run:
    return scenario.simulate(World(length, scenario.step, np.random.default_rng(seed), strengths))


def _place(kind: Fault, where: np.ndarray, world: World, train_end: int, events: int) -> list[tuple[int, int]]:
    """Begin and end of each event after the training part, apart from each other, where the precondition holds.

    None where it never does.
    """
    allowed = where.copy()
    allowed[: train_end + (world.length - train_end) // 20] = False
    spans: list[tuple[int, int]] = []
    for _ in range(TRIES):
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
    """Strength from onset to end: a straight rise over the share ``onset``, then full."""
    rise = max(1.0, onset * duration)
    return np.minimum(1.0, (np.arange(duration) + 1) / rise)


def _recovery(shown: np.ndarray, begin: int, end: int, until: int) -> int:
    """Position after the last visible effect of an event, and not before its end."""
    seen = np.flatnonzero(shown[begin:until])
    return max(end, begin + int(seen[-1]) + 1) if len(seen) else end


def _scale(twin: np.ndarray) -> np.ndarray:
    """Robust standard deviation of each channel [C], or a share of the plain one for channels that mostly rest."""
    values = twin.astype(np.float64)
    return np.maximum(robust_scale(values), 0.2 * values.std(axis=0)) + 1e-12
