"""Share a score out among the channels that cause it."""

from __future__ import annotations

import numpy as np
import torch

from ape.detectors import Detector
from ape.detectors.inputs import prepared, required_by
from ape.posttrain.detector import EnhancedDetector
from ape.series import Series
from ape.series.windows import points, sliding, start_batches, streamed_overlap_mean

BATCH = 256  # windows in one pass of a backbone


def by_channel(
    detector: Detector | EnhancedDetector, series: Series, score: np.ndarray, stride: int | None = None
) -> np.ndarray:
    """Share a score out among the channels, float32 [T, C]. The shares of a point add up to its score.

    For an enhanced detector, the share of a channel comes from the evidence in it; `score_and_shares` gives both in one
    pass. For a plain one, it is proportional to its squared reconstruction error divided by its median error in
    training. A detector that does not know this error is measured on the training part of the series. Where values are
    missing, only their channels share the score. Points without a score have no shares: NaN.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series
        The columns of the result are the channels of the detector, as in `ape.detectors.inputs.prepared`.
    score : ndarray [T]
        Result of ``detector.score(series)``.
    stride : int, optional
        Step between windows of a plain detector, as for the score.
    """
    if isinstance(detector, EnhancedDetector):
        _, shares = detector.score_and_shares(series)
    else:
        shares = error_shares(detector, prepared(detector, series), stride)
    return (score[:, None] * shares).astype(np.float32)


def error_shares(detector: Detector, series: Series, stride: int | None) -> np.ndarray:
    """Return the share of each channel in the reconstruction error of the points of a `prepared` series, [T, C]."""
    errors = channel_errors(detector, series, stride)
    required = required_by(detector)
    if required is not None and required.errors:
        usual = np.array(required.errors)
    else:
        scored, normal = np.isfinite(errors).all(axis=1), np.zeros(series.length, dtype=bool)
        normal[points(series.train_segments)] = True
        normal &= scored
        usual = np.median(errors[normal if normal.any() else scored], axis=0)
    excess = errors / np.maximum(usual, 1e-6 * max(float(usual.max()), 1e-12))
    if series.missing is not None:
        excess = np.where(series.missing.any(axis=1, keepdims=True), series.missing, excess)
    return excess / excess.sum(axis=1, keepdims=True).clip(min=1e-12)


@torch.no_grad()
def channel_errors(detector: Detector, series: Series, stride: int | None) -> np.ndarray:
    """Return the squared standardised residual of each point and channel, averaged over covering windows, [T, C].

    NaN at points that no window covers.
    """
    windows = sliding(series.values, detector.window)
    shift, scale = detector.shift_and_scale
    detector.module.eval()

    def squared_residuals(starts: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(windows[starts]).to(shift.device)
        return ((x - detector.reconstruct(x)) / scale[:, None]).square().cpu().numpy()

    batches = start_batches(series.segments, detector.window, stride, BATCH)
    measured = ((starts, squared_residuals(starts).transpose(1, 0, 2)) for starts in batches)
    return streamed_overlap_mean(measured, series.length).T
