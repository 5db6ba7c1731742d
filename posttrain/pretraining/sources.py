"""Hidden signals of the generated processes: each function draws one kind, float64 [T], of about unit size.

No function loops over time steps: recursions are linear filters, and event times are cumulative sums of durations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

Rng = np.random.Generator
SHORTEST, LONGEST = 8.0, 600.0  # samples: range of periods and durations


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw from ``low`` to ``high``, uniform in the logarithm."""
    return float(low * (high / low) ** rng.random())


def wander(rng: Rng, length: int, memory: float) -> np.ndarray:
    """Draw a random walk with mean reversion, of unit variance; ``memory`` is its correlation time in samples."""
    keep = np.exp(-1 / memory)
    shocks = rng.standard_normal(length) * np.sqrt(1 - keep**2)
    shocks[0] /= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], shocks)


def lag(values: np.ndarray, memory: float) -> np.ndarray:
    """Apply a first-order lag with a time constant of ``memory`` samples to [..., T], starting in equilibrium."""
    keep = np.exp(-1 / memory)
    return lfilter([1 - keep], [1.0, -keep], values, zi=keep * values[..., :1])[0]


def cycles(rng: Rng, length: int, period: float, jitter: float) -> np.ndarray:
    """Return the phase in cycles at each sample; the lengths of the cycles vary by the share ``jitter``."""
    count = int(length / period / max(1 - 2 * jitter, 0.3)) + 4
    lengths = period * np.clip(1 + jitter * rng.standard_normal(count), 0.5, 2)
    ends = np.concatenate([[0], np.cumsum(lengths)]) - rng.random() * period
    return np.interp(np.arange(length), ends, np.arange(count + 1))


def spans(rng: Rng, length: int, mean: float, spread: float) -> np.ndarray:
    """Number consecutive stretches with gamma-distributed durations: the index of the stretch at each sample."""
    shape = 1 / spread**2
    count = int(2 * length / mean) + 20
    ends = np.cumsum(rng.gamma(shape, mean / shape, count).clip(min=2))
    return np.searchsorted(ends, np.arange(length) + rng.random() * mean, side="right")


def waveform(rng: Rng) -> Callable[[np.ndarray], np.ndarray]:
    """Draw the shape of a cycle: a function of the phase in [0, 1)."""
    kind = rng.integers(5)
    if kind == 0:  # harmonics with falling amplitude
        order = np.arange(1, rng.integers(2, 9))
        size = rng.standard_normal(len(order)) / order ** rng.uniform(0.5, 2)
        size[0] += 1
        angle = rng.uniform(0, 2 * np.pi, len(order))
        return lambda phase: (size[:, None] * np.cos(2 * np.pi * np.outer(order, phase) + angle[:, None])).sum(0)
    if kind == 1:  # a program of ramps and holds
        knots = np.sort(rng.random(rng.integers(3, 10)))
        levels = rng.standard_normal(len(knots))
        return lambda phase: np.interp(phase, knots, levels, period=1)
    if kind == 2:  # steps
        edges = np.sort(rng.random(rng.integers(2, 7)))
        steps = rng.standard_normal(len(edges) + 1)
        steps[-1] = steps[0]
        return lambda phase: steps[np.searchsorted(edges, phase)]
    if kind == 3:  # narrow bells on a flat ground, as of a beating or stamping machine
        count = rng.integers(1, 7)
        centre, size = rng.random(count), rng.standard_normal(count) * rng.uniform(0.3, 2, count)
        width = np.exp(rng.uniform(np.log(0.01), np.log(0.12), count))

        def bells(phase: np.ndarray) -> np.ndarray:
            away = np.abs(phase - centre[:, None])
            return (size[:, None] * np.exp(-0.5 * (np.minimum(away, 1 - away) / width[:, None]) ** 2)).sum(0)

        return bells
    rise, hump = rng.uniform(0.05, 0.95), rng.uniform(0.5, 3)  # a skewed hump, flat at the bottom if ``hump`` is large
    return lambda phase: np.minimum(phase / rise, (1 - phase) / (1 - rise)) ** hump


def season(rng: Rng, length: int) -> np.ndarray:
    """A regular cycle whose height varies slowly, sometimes with weak cycles at fixed places."""
    phase = cycles(rng, length, log_uniform(rng, SHORTEST, 400), rng.choice([0, 0.002, 0.02]))
    shape = waveform(rng)(phase % 1)
    if rng.random() < 0.3:
        many = rng.integers(3, 9)
        weak = rng.random(many) < 0.3
        shape = shape * np.where(weak, rng.uniform(0, 0.7), 1.0)[phase.astype(int) % many]
    return shape * (1 + rng.choice([0, 0.1, 0.3]) * wander(rng, length, log_uniform(rng, 50, 2000)))


def beats(rng: Rng, length: int) -> np.ndarray:
    """A repeated shape with irregular intervals and slightly different heights."""
    phase = cycles(rng, length, log_uniform(rng, 15, 200), rng.uniform(0.02, 0.15))
    height = 1 + rng.uniform(0, 0.25) * rng.standard_normal(int(phase.max()) + 3)
    return waveform(rng)(phase % 1) * height[phase.astype(int) + 1]


def tones(rng: Rng, length: int) -> np.ndarray:
    """A few tones, as of vibration, whose loudness varies."""
    frequency = 1 / np.exp(rng.uniform(np.log(3), np.log(60), rng.integers(1, 5)))
    angle = 2 * np.pi * (np.outer(frequency, np.arange(length)) + rng.random((len(frequency), 1)))
    loud = np.stack([1 + 0.3 * wander(rng, length, 200) for _ in frequency])
    return (rng.uniform(0.3, 1, (len(frequency), 1)) * loud * np.cos(angle)).sum(0)


def duty(rng: Rng, length: int) -> np.ndarray:
    """A machine that is on or off, with rises and falls of a first-order lag."""
    number = spans(rng, length, log_uniform(rng, 10, 300), rng.uniform(0.05, 1))
    on = (number % 2 == 0).astype(float)
    return 2 * (lag(on, log_uniform(rng, 1, 30)) if rng.random() < 0.7 else on) - 1


def levels(rng: Rng, length: int) -> np.ndarray:
    """A regime that jumps among a few operating points."""
    number = spans(rng, length, log_uniform(rng, 40, LONGEST), rng.uniform(0.2, 1))
    points = rng.standard_normal(rng.integers(2, 7))
    return lag(points[rng.integers(len(points), size=number.max() + 1)][number], log_uniform(rng, 0.3, 20))


def pulses(rng: Rng, length: int) -> np.ndarray:
    """Events at random times that decay, some of them large."""
    size = rng.exponential(size=length) ** rng.uniform(0.5, 1.5) * (rng.random(length) < 1 / log_uniform(rng, 15, 300))
    return 2 * lfilter([1.0], [1.0, -np.exp(-1 / log_uniform(rng, 0.5, 40))], size)


def bursts(rng: Rng, length: int) -> np.ndarray:
    """Noise on several time scales, with a positively skewed size."""
    scales = 2.0 ** np.arange(1, 9, rng.integers(1, 3))
    total = sum(wander(rng, length, scale) for scale in scales) / np.sqrt(len(scales))
    return np.exp(rng.uniform(0.2, 0.8) * total) - 1


def tank(rng: Rng, length: int) -> np.ndarray:
    """A store that fills and empties between two switching levels, as by a hysteresis controller."""
    turns = np.cumsum(rng.gamma(9, log_uniform(rng, 15, 300) / 9, int(length / 5)).clip(min=3))
    turns = turns[: np.searchsorted(turns, length) + 2]
    turns[1::2] = turns[1::2] - (turns[1::2] - turns[:-1:2][: len(turns[1::2])]) * rng.uniform(0, 0.8)
    heights = np.where(np.arange(len(turns)) % 2 == 0, -1, 1) + 0.05 * rng.standard_normal(len(turns))
    return np.interp(np.arange(length), turns, heights)


def loop(rng: Rng, length: int) -> np.ndarray:
    """A controlled value: the response of a second-order closed loop to set points and disturbances."""
    radius, angle = np.exp(-1 / log_uniform(rng, 2, 40)), rng.uniform(0.01, 0.4)
    poles = [1, -2 * radius * np.cos(angle), radius**2]
    gain = sum(poles)
    number = spans(rng, length, log_uniform(rng, 80, LONGEST), 0.5)
    wanted = rng.choice([0, 0.5, 1]) * rng.standard_normal(number.max() + 1)[number]
    return lfilter([gain], poles, wanted + wander(rng, length, log_uniform(rng, 1, 50)))


def walk(rng: Rng, length: int) -> np.ndarray:
    """A slow wander on one or two time scales."""
    total = wander(rng, length, log_uniform(rng, 10, 2000))
    return total + rng.choice([0, 0.5]) * wander(rng, length, log_uniform(rng, 3, 50))


def shifts(rng: Rng, length: int) -> np.ndarray:
    """Working and free stretches of a fixed calendar, with activity that differs between them."""
    phase = cycles(rng, length, log_uniform(rng, 30, 400), 0)
    share, many = rng.uniform(0.2, 0.7), rng.integers(4, 9)
    works = (phase % 1 < share) & (phase.astype(int) % many < many - rng.integers(0, 3))
    return lag(np.where(works, 1.0, 0.0), log_uniform(rng, 1, 15)) * (1 + 0.3 * wander(rng, length, 30)) * 2 - 1


SOURCES = (season, beats, tones, duty, levels, pulses, bursts, tank, loop, walk, shifts)
SHARES = np.array([6, 2, 1, 2, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 2])


def draw_source(rng: Rng, length: int) -> np.ndarray:
    """Draw one hidden signal of a random kind, standardised."""
    values = SOURCES[rng.choice(len(SOURCES), p=SHARES / SHARES.sum())](rng, length)
    return (values - values.mean()) / max(values.std(), 1e-3)
