"""Pieces of which scenarios' processes are made."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from ape.evals.timeanomalybench.scenario import World


def smooth_noise(world: World, seconds: float) -> np.ndarray:
    """Ornstein-Uhlenbeck noise of unit variance with the given correlation time, float64 [T].

    It has run long enough before the first time step to have forgotten how it began.
    """
    memory = np.exp(-world.step / seconds)
    shocks = world.rng.normal(size=world.length)
    shocks[0] /= np.sqrt(1 - memory**2)
    return lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], shocks)


def lagged(values: np.ndarray, world: World, seconds: float) -> np.ndarray:
    """First-order lag of ``values`` [T] with the given time constant, started in balance."""
    memory = np.exp(-world.step / seconds)
    out, _ = lfilter([1 - memory], [1.0, -memory], values, zi=[memory * values[0]])
    return out


def held(values: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """A sensor that freezes where ``strength`` [T] is above 0.

    At 1 it rests on its last reading, below it still moves a little.
    """
    last = values[np.maximum.accumulate(np.where(strength > 0, 0, np.arange(len(values))))]
    return values + strength * (last - values)


def bump(hour: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Bell over the hour of the day, 1 at ``centre``, round midnight too."""
    away = np.abs(hour - centre)
    return np.exp(-0.5 * (np.minimum(away, 24 - away) / width) ** 2)


def rare_days(world: World, share: float) -> np.ndarray:
    """Whether the day of each time step is one of a rare kind, bool [T]."""
    return (world.rng.random(world.day.max() + 1) < share)[world.day]
