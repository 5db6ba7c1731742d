"""Naive scoring of a series, one window at a time."""

from __future__ import annotations

import math

import numpy as np
import torch

from ape.detectors import Detector


def mean_over_windows(detector: Detector, values: np.ndarray, stride: int = 1) -> np.ndarray:
    """Mean of `point_scores` over all windows that cover a point of values [T, C]."""
    window, device = detector.window, detector.shift_and_scale[0].device
    begins = list(range(0, len(values) - window + 1, stride))
    if begins[-1] != len(values) - window:
        begins.append(len(values) - window)
    covering: list[list[float]] = [[] for _ in values]
    with torch.no_grad():
        for begin in begins:
            x = torch.from_numpy(values[begin : begin + window].T.copy())[None].to(device)
            for offset, value in enumerate(detector.point_scores(x)[0].tolist()):
                covering[begin + offset].append(value)
    return np.array([math.fsum(scores) / len(scores) for scores in covering])
