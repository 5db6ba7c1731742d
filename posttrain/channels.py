"""Which channels a score comes from."""

from __future__ import annotations

import numpy as np
import torch

from ape.detectors import Detector
from ape.posttrain.detector import BATCH, EnhancedDetector
from ape.series import Series
from ape.series.windows import scored_batches, sliding


def by_channel(
    detector: Detector | EnhancedDetector, series: Series, score: np.ndarray, stride: int | None = None
) -> np.ndarray:
    """Share a score out among the channels, float32 [T, C]; the channels of a point add up to its score.

    A channel's share is its squared reconstruction error as a multiple of what is usual for it in the training part.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series
    score : ndarray [T]
        What ``detector.score(series)`` gave.
    stride : int, optional
        Step between windows, as for the score.
    """
    errors = channel_errors(detector, series, stride)
    usual = np.median(errors[: series.train_end], axis=0)
    excess = errors / np.maximum(usual, 1e-6 * max(float(usual.max()), 1e-12))
    return (score[:, None] * excess / excess.sum(axis=1, keepdims=True).clip(min=1e-12)).astype(np.float32)


@torch.no_grad()
def channel_errors(detector: Detector | EnhancedDetector, series: Series, stride: int | None) -> np.ndarray:
    """Squared standardised residual of each point and channel, mean over the windows that cover it, [T, C]."""
    length, channels = series.values.shape
    shift, scale = detector.scale_shift
    windows = sliding(series.values, detector.window)
    detector.module.eval()
    sums, count = np.zeros((length, channels)), np.zeros(length)
    for starts in scored_batches(length, detector.window, stride, BATCH):
        x = torch.from_numpy(windows[starts].copy()).to(shift.device)
        error = ((x - detector.reconstruct(x)) / scale[:, None]).square()
        at = (starts[:, None] + np.arange(detector.window)).ravel() - starts[0]
        span = slice(int(starts[0]), int(starts[0]) + int(at.max()) + 1)
        for channel, part in enumerate(error.transpose(0, 1).flatten(1).cpu().double().numpy()):
            sums[span, channel] += np.bincount(at, weights=part)
        count[span] += np.bincount(at)
    return sums / count[:, None]
