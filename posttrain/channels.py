"""Share a score out among the channels that cause it."""

from __future__ import annotations

import numpy as np
import torch

from ape.detectors import Detector
from ape.detectors.inputs import prepared
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.parts import BATCH
from ape.series import Series
from ape.series.windows import points, sliding, start_batches, streamed_overlap_mean


def by_channel(
    detector: Detector | EnhancedDetector, series: Series, score: np.ndarray, stride: int | None = None
) -> np.ndarray:
    """Share a score out among the channels, float32 [T, C]. The shares of a point add up to its score.

    The share of a channel is proportional to its squared reconstruction error divided by its median error in the
    training part. Where values are missing, only their channels share the score. Points without a score have no
    shares: NaN.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series
        The columns of the result are the channels of the detector, as in `ape.detectors.inputs.prepared`.
    score : ndarray [T]
        Result of ``detector.score(series)``.
    stride : int, optional
        Step between windows, as for the score.
    """
    series = prepared(detector, series)
    errors = channel_errors(detector, series, stride)
    scored, normal = np.isfinite(errors).all(axis=1), np.zeros(series.length, dtype=bool)
    normal[points(series.train_segments)] = True
    normal &= scored
    usual = np.median(errors[normal if normal.any() else scored], axis=0)
    excess = errors / np.maximum(usual, 1e-6 * max(float(usual.max()), 1e-12))
    if series.missing is not None:
        excess = np.where(series.missing.any(axis=1, keepdims=True), series.missing, excess)
    return (score[:, None] * excess / excess.sum(axis=1, keepdims=True).clip(min=1e-12)).astype(np.float32)


@torch.no_grad()
def channel_errors(detector: Detector | EnhancedDetector, series: Series, stride: int | None) -> np.ndarray:
    """Return the squared standardised residual of each point and channel, averaged over covering windows, [T, C].

    NaN at points that no window covers.
    """
    shift, scale = detector.shift_and_scale
    windows = sliding(series.values, detector.window)
    detector.module.eval()

    def errors(starts: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(windows[starts].copy()).to(shift.device)
        return ((x - detector.reconstruct(x)) / scale[:, None]).square().transpose(0, 1).cpu().numpy()

    batches = start_batches(series.segments, detector.window, stride, BATCH)
    return streamed_overlap_mean(((starts, errors(starts)) for starts in batches), series.length).T
