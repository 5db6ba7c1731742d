"""What a scenario is: a process that runs with a fault in it and, on the same random numbers, without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class World:
    """What a process runs in.

    Attributes
    ----------
    length : int
        Time steps T.
    step : float
        Seconds between two of them.
    rng : numpy.random.Generator
        A process draws from it the same numbers in the same order whatever goes wrong, so that the run without the
        fault is its twin.
    strengths : mapping
        How far each active fault has come, float64 [T] from 0 to 1.
    """

    length: int
    step: float
    rng: np.random.Generator
    strengths: Mapping[str, np.ndarray] = field(default_factory=dict)

    def strength(self, fault: str) -> np.ndarray:
        """How far ``fault`` has come, float64 [T]; zero where it is absent."""
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
        """Day of the week, int64 [T], 0 is a Monday."""
        return self.day % 7


@dataclass(frozen=True)
class Run:
    """One run of a process: channels, float64 [T] each, and where something rare but normal happened, bool [T]."""

    channels: dict[str, np.ndarray]
    benign: np.ndarray


Precondition = Callable[[Mapping[str, np.ndarray], World], np.ndarray]


@dataclass(frozen=True)
class Fault:
    """One way in which a scenario's process goes wrong.

    Attributes
    ----------
    name : str
        The process reads `World.strength` of this name.
    mechanism, morphology : str
        Terms of `ape.rules.vocabulary`.
    note : str
        What happens in the process, in a sentence.
    duration : (int, int)
        Samples from onset to end.
    scale : (float, float)
        Peak effect on the channel that shows it most, in robust standard deviations of that channel's normal run, at
        severities from 0.3 to 1.
    shows : tuple of str
        Channels whose values it changes.
    root : tuple of str
        Channels at which its cause sits.
    precondition : str
        When it can happen, in words.
    when : callable, optional
        The same, executable: channels of the normal run and the world, to bool [T].
    onset : float
        Share of the duration over which it builds up; 0 is abrupt, 1 creeps to the end.
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
    """What people write about a scenario.

    Attributes
    ----------
    measured : str
        What the channels are, one line each.
    manual : str
        What an operator's manual says of typical failures; knows no series.
    routine : tuple of str
        Log lines of a normal day; ``{n}`` becomes a small number.
    incidents : tuple of str
        Log lines of failures at other times and places.
    misleading : tuple of str
        Log lines that sound like a failure and are none.
    """

    measured: str
    manual: str
    routine: tuple[str, ...]
    incidents: tuple[str, ...]
    misleading: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    """A process with its faults and its texts.

    Attributes
    ----------
    name, domain : str
    units : dict
        Unit of each channel, in the order of the columns.
    step : float
        Seconds between samples.
    cycle : int
        Dominant period of the normal run in samples, 0 if there is none.
    simulate : callable
        World to `Run`.
    faults : tuple of Fault
    texts : Texts
    confirmation : bool
        Nothing is ever tuned to it.
    """

    name: str
    domain: str
    units: dict[str, str]
    step: float
    cycle: int
    simulate: Callable[[World], Run]
    faults: tuple[Fault, ...]
    texts: Texts
    confirmation: bool = False

    def fault(self, name: str) -> Fault:
        """The fault of this name."""
        return next(fault for fault in self.faults if fault.name == name)
