"""Generated normal processes of 1 to 8 channels, with the variety of real monitoring data.

A process has hidden signals (`ape.posttrain.pretraining.sources`). A channel sums some of them with lags, bends the
sum, and is measured: with noise, drift, rounding, limits or a slow sampling. Nothing in it describes one real plant.

A fault inside a process changes a hidden signal and spreads to the channels. The twin without it has the same random
numbers. So every function here works on two rows at once, [2, T]: the twin first, then the disturbed signals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import poisson

from ape.posttrain.pretraining.sources import Rng, draw_source, lag, log_uniform, wander

LENGTH = 4096  # samples
WARM_UP = 512  # samples dropped at the beginning, so that lags reach back
CHANNELS = np.array([0.25, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05, 0.05])  # share of processes with 1, 2, ... 8 channels

Disturb = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Process:
    """One generated process.

    Parameters
    ----------
    values : ndarray, float32 [T, C]
        Measured, without anomalies.
    clean : ndarray, float32 [T, C]
        The same without noise, rounding, limits and slow sampling.
    disturbed : ndarray, float32 [T, C]
        Measured, with the faults that ``disturb`` put into a hidden signal; else equal to ``values``.
    """

    values: np.ndarray
    clean: np.ndarray
    disturbed: np.ndarray


def draw_process(seed: int, index: int, length: int = LENGTH, disturb: Disturb | None = None) -> Process:
    """Draw the process with this number. The same arguments give the same bytes.

    Parameters
    ----------
    seed, index, length : int
    disturb : callable, optional
        Maps the first hidden signal, float64 [length], to the disturbed one.
    """
    rng = np.random.default_rng([seed, 24, index])
    count = 1 + int(rng.choice(len(CHANNELS), p=CHANNELS))
    sources = [np.stack([draw_source(rng, length + WARM_UP)] * 2) for _ in range(rng.integers(1, 2 + count))]
    if disturb is not None:
        sources[0][1, WARM_UP:] = disturb(sources[0][0, WARM_UP:])
    common = rng.uniform(0.2, 1)  # how much of the channels comes from the first source
    clean = np.stack([_channel(rng, sources, common) for _ in range(count)])[..., WARM_UP:]
    measured = np.stack([_measure(rng, channel) for channel in clean]).astype(np.float32)
    return Process(measured[:, 0].T, clean[:, 0].T.astype(np.float32), measured[:, 1].T)


def _channel(rng: Rng, sources: list[np.ndarray], common: float) -> np.ndarray:
    """Sum some sources with lags and bend the sum."""
    weights = rng.standard_normal(len(sources)) * (rng.random(len(sources)) < 0.5)
    weights[0] += common * rng.choice([-1, 1])
    total = np.zeros_like(sources[0])
    for weight, source in zip(weights, sources, strict=True):
        delayed = np.roll(source, int(rng.choice([0, 0, 1, 2, 5, 20])), axis=1)
        total += weight * (lag(delayed, log_uniform(rng, 0.5, 40)) if rng.random() < 0.4 else delayed)
    return _bend(rng, total / max(total[0].std(), 1e-3), sources)


def _bend(rng: Rng, values: np.ndarray, sources: list[np.ndarray]) -> np.ndarray:
    """Apply a nonlinear characteristic to standardised ``values``."""
    kind = rng.choice(["none", "power", "floor", "ceiling", "product", "rate"], p=[0.5, 0.12, 0.14, 0.08, 0.1, 0.06])
    if kind == "power":
        return np.exp(rng.uniform(0.2, 0.8) * values.clip(-8, 8))
    if kind == "floor":
        return np.maximum(values, rng.uniform(-1, 0.8))
    if kind == "ceiling":
        return np.tanh(rng.uniform(0.7, 2) * values)
    if kind == "product":
        return values * (1 + 0.5 * sources[rng.integers(len(sources))])
    if kind == "rate":
        change = np.diff(values, prepend=values[:, :1])
        return change / max(change[0].std(), 1e-3)
    return values


def _measure(rng: Rng, clean: np.ndarray) -> np.ndarray:
    """Measure a channel [2, T] of about unit size in data units: drift, noise, sampling, rounding and limits."""
    length = clean.shape[1]
    values = (clean - clean[0].mean()) / max(clean[0].std(), 1e-3)
    if rng.random() < 0.25:
        values = values + rng.uniform(0.1, 1) * wander(rng, length, log_uniform(rng, 1000, 8000))
    if rng.random() < 0.12:
        return _count(rng, values)
    noise = rng.standard_normal(length) if rng.random() < 0.7 else wander(rng, length, rng.uniform(1, 10))
    grows = 1 if rng.random() < 0.75 else np.exp(0.5 * values.clip(-3, 3))
    values = values + log_uniform(rng, 0.003, 0.6) * grows * noise * (rng.random() < 0.93)
    if rng.random() < 0.1:  # each reading is held until the next
        every = int(rng.integers(2, 9))
        values = values[:, np.arange(length) // every * every]
    if rng.random() < 0.2:
        grid = log_uniform(rng, 0.02, 0.7)
        values = np.round(values / grid) * grid
    if rng.random() < 0.12:
        values = np.clip(values, *np.quantile(values[0], [rng.choice([0, 0.05, 0.3]), rng.choice([0.7, 0.95, 1])]))
    if rng.random() < 0.06:  # reports only what exceeds a threshold
        values = np.maximum(values - np.quantile(values[0], rng.uniform(0.6, 0.97)), 0)
    level = rng.choice([0, 1, 10, 100]) * rng.standard_normal()
    return log_uniform(rng, 0.01, 1000) * (values + level)


def _count(rng: Rng, values: np.ndarray) -> np.ndarray:
    """Return counts of events whose rate follows ``values``."""
    rate = log_uniform(rng, 0.05, 300) * np.exp(rng.uniform(0.2, 0.9) * values.clip(-4, 4))
    return poisson.ppf(rng.random(values.shape[1]), rate)
