"""Matrix profile by comparing every pair of subsequences."""

from __future__ import annotations

import math

import numpy as np


def matrix_profile(x, window):
    """Distance to and position of the nearest z-normalised subsequence more than a quarter of a window away."""
    subsequences = np.lib.stride_tricks.sliding_window_view(np.asarray(x, float), window)
    z = (subsequences - subsequences.mean(axis=1, keepdims=True)) / subsequences.std(axis=1, keepdims=True)
    distance = np.linalg.norm(z[:, None] - z[None], axis=2)
    position = np.arange(len(subsequences))
    distance[np.abs(position[:, None] - position) <= math.ceil(window / 4)] = np.inf
    return distance.min(axis=1), distance.argmin(axis=1)
