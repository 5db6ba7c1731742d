"""Searches among reference windows, one by one."""

from __future__ import annotations

import numpy as np


def distinct_neighbours(values, starts, window, count):
    """Nearest references of each reference that overlap neither it nor each other, [count, R]; the last is repeated."""
    windows = [values[start : start + window] for start in starts]
    nearest = np.zeros((count, len(starts)), dtype=int)
    for i, start in enumerate(starts):
        taken = [start]
        order = np.argsort([np.sum((other - windows[i]) ** 2) for other in windows])
        for k in range(count):
            free = [j for j in order if all(abs(starts[j] - place) >= window for place in taken)]
            nearest[k, i] = free[0] if free else nearest[k - 1, i]
            taken.append(starts[nearest[k, i]])
    return nearest


def closest_distance(windows, query, start, gap, apart):
    """Squared distance to the closest window less than a gap from ``start`` and ``apart`` samples before ``query``."""
    allowed = [p for p in range(start - gap + 1, start + gap) if 0 <= p <= query - apart]
    return float(((windows[allowed] - windows[query]) ** 2).sum((1, 2)).min())
