"""Naive Gaussian densities and evidence lower bounds, value by value."""

from __future__ import annotations

import math
from collections.abc import Sequence


def log_density(x: float, mean: float, std: float) -> float:
    return -((x - mean) ** 2) / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi))


def modified_bound(
    x: Sequence[float],
    usable: Sequence[float],
    mean: Sequence[float],
    std: Sequence[float],
    z: Sequence[float],
    z_mean: Sequence[float],
    z_std: Sequence[float],
) -> float:
    """Evidence lower bound of one window without its unusable values (Xu et al. 2018)."""
    bound = sum(log_density(x[w], mean[w], std[w]) for w in range(len(x)) if usable[w])
    share = sum(usable) / len(usable)
    for d in range(len(z)):
        bound += share * log_density(z[d], 0, 1) - log_density(z[d], z_mean[d], z_std[d])
    return bound


def kalman_log_density(values: Sequence[float]) -> float:
    """Log density of one dimension by filtering: state += N(0, 1), value = state + N(0, 1)."""
    mean, variance, total = 0.0, 0.0, 0.0
    for value in values:
        variance += 1
        total += log_density(value, mean, math.sqrt(variance + 1))
        gain = variance / (variance + 1)
        mean, variance = mean + gain * (value - mean), (1 - gain) * variance
    return total
