"""The search among training windows, one by one."""

from __future__ import annotations

import numpy as np


def distinct_neighbours(values, starts, window, count):
    """Nearest windows of each window that overlap neither it nor each other, [count, R]; the last is repeated."""
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
