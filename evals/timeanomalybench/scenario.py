"""Scenarios: a simulated process, its faults, and the texts about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class World:
    """The input of a process: time, random numbers and active faults.

    Attributes
    ----------
    length : int
        Time steps T.
    step : float
        Seconds between time steps.
    rng : numpy.random.Generator
        A process draws the same numbers in the same order with and without a fault. So the simulation without the
        fault is the twin.
    strengths : mapping
        Strength of each active fault, float64 [T] from 0 to 1.
    """

    length: int
    step: float
    rng: np.random.Generator
    strengths: Mapping[str, np.ndarray] = field(default_factory=dict)

    def strength(self, fault: str) -> np.ndarray:
        """Return the strength of ``fault``, float64 [T]; zero where it is absent."""
        return self.strengths.get(fault, np.zeros(self.length))

    @property
    def seconds(self) -> np.ndarray:
        """Seconds since midnight of the first day, float64 [T]."""
        return self.step * np.arange(self.length)

    @property
    def hour(self) -> np.ndarray:
        """Hour of the day, float64 [T] in [0, 24)."""
        return self.seconds % DAY / 3600.0

    @property
    def day(self) -> np.ndarray:
        """Days since the first, int64 [T]."""
        return (self.seconds // DAY).astype(int)

    @property
    def weekday(self) -> np.ndarray:
        """Day of the week, int64 [T]; 0 is Monday."""
        return self.day % 7


@dataclass(frozen=True)
class Simulation:
    """Output of a process: channels, float64 [T] each, and where something rare but normal happened, bool [T]."""

    channels: dict[str, np.ndarray]
    benign: np.ndarray


Precondition = Callable[[Mapping[str, np.ndarray], World], np.ndarray]


@dataclass(frozen=True)
class Fault:
    """One kind of fault in a scenario's process.

    Attributes
    ----------
    name : str
        The process reads `World.strength` with this name.
    mechanism, morphology : str
        Terms of `ape.rules.vocabulary`.
    note : str
        What happens in the process, in one sentence.
    duration : (int, int)
        Fewest and most samples from onset to end.
    scale : (float, float)
        Peak effect on the channel that shows it most, at severities 0.3 and 1. The unit is the robust standard
        deviation of that channel in the twin.
    shows : tuple of str
        Channels whose values change.
    root : tuple of str
        Channels where the cause is.
    precondition : str
        When the fault can happen, in words.
    when : callable, optional
        The same as code: maps the channels of the twin and the world to bool [T].
    onset : float
        Share of the duration over which the fault builds up. 0 is abrupt; 1 grows until the end.
    """

    name: str
    mechanism: str
    morphology: str
    note: str
    duration: tuple[int, int]
    scale: tuple[float, float]
    shows: tuple[str, ...]
    root: tuple[str, ...]
    precondition: str = "any time"
    when: Precondition | None = None
    onset: float = 0.0


@dataclass(frozen=True)
class Texts:
    """Texts that people could have written about a scenario.

    Attributes
    ----------
    measured : str
        Description of the channels, one line each.
    manual : str
        Section of an operator's manual on typical failures. It refers to no particular series.
    routine : tuple of str
        Log lines of a normal day. ``{n}`` becomes a small number.
    incidents : tuple of str
        Log lines about failures at other times and places.
    misleading : tuple of str
        Log lines that sound like a failure but are not one.
    """

    measured: str
    manual: str
    routine: tuple[str, ...]
    incidents: tuple[str, ...]
    misleading: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A process with its faults and texts.

    Attributes
    ----------
    name, domain : str
    units : dict
        Unit of each channel, in the order of the columns.
    step : float
        Seconds between samples.
    cycle : int
        Dominant period without a fault, in samples; 0 if there is none.
    simulate : callable
        Maps a `World` to a `Simulation`.
    faults : tuple of Fault
    texts : Texts
    confirmation : bool
        Whether the scenario is reserved for confirmation: nothing may be tuned on it.
    """

    name: str
    domain: str
    units: dict[str, str]
    step: float
    cycle: int
    simulate: Callable[[World], Simulation]
    faults: tuple[Fault, ...]
    texts: Texts
    confirmation: bool = False

    def fault(self, name: str) -> Fault:
        """Return the fault with this name."""
        return next(fault for fault in self.faults if fault.name == name)
