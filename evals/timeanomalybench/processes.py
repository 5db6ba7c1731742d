"""Building blocks of the scenarios' processes."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from ape.evals.timeanomalybench.scenario import World


def smooth_noise(world: World, seconds: float) -> np.ndarray:
    """Draw Ornstein-Uhlenbeck noise of unit variance with the given correlation time, float64 [T].

    The noise is stationary from the first time step.
    """
    memory = np.exp(-world.step / seconds)
    shocks = world.rng.normal(size=world.length)
    shocks[0] /= np.sqrt(1 - memory**2)
    return lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], shocks)


def lagged(values: np.ndarray, world: World, seconds: float) -> np.ndarray:
    """Apply a first-order lag with the given time constant to ``values`` [T], starting in equilibrium."""
    memory = np.exp(-world.step / seconds)
    out, _ = lfilter([1 - memory], [1.0, -memory], values, zi=[memory * values[0]])
    return out


def freeze(values: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Freeze a sensor's ``values`` [T] where ``strength`` [T] is above 0.

    At strength 1 the sensor repeats its last reading; below 1 it still follows the values a little.
    """
    last = values[np.maximum.accumulate(np.where(strength > 0, 0, np.arange(len(values))))]
    return values + strength * (last - values)


def bump(hour: np.ndarray, centre: float, width: float) -> np.ndarray:
    """Return a bell over the hour of the day, 1 at ``centre``, continuous across midnight."""
    away = np.abs(hour - centre)
    return np.exp(-0.5 * (np.minimum(away, 24 - away) / width) ** 2)


def rare_days(world: World, share: float) -> np.ndarray:
    """Choose a ``share`` of the days at random; return whether each time step is in one, bool [T]."""
    return (world.rng.random(world.day.max() + 1) < share)[world.day]
