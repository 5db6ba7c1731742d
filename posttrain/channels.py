"""Share a score out among the channels that cause it."""

from __future__ import annotations

import numpy as np
import torch

from ape.detectors import Detector
from ape.detectors.inputs import prepared, required_by
from ape.posttrain.detector import EnhancedDetector
from ape.posttrain.parts import BATCH
from ape.series import Series
from ape.series.windows import points, sliding, start_batches, streamed_overlap_mean

MOST_WINDOWS = 128  # of the training part, in which usual errors are measured


def by_channel(
    detector: Detector | EnhancedDetector, series: Series, score: np.ndarray, stride: int | None = None
) -> np.ndarray:
    """Share a score out among the channels, float32 [T, C]. The shares of a point add up to its score.

    The share of a channel is proportional to its squared reconstruction error divided by its median error in training.
    A detector that does not know this error is measured on the training part of the series. Where values are missing,
    only their channels share the score. Points without a score have no shares: NaN.

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
    usual = usual_errors(detector)
    if usual is None:
        scored, normal = np.isfinite(errors).all(axis=1), np.zeros(series.length, dtype=bool)
        normal[points(series.train_segments)] = True
        normal &= scored
        usual = np.median(errors[normal if normal.any() else scored], axis=0)
    excess = errors / np.maximum(usual, 1e-6 * max(float(usual.max()), 1e-12))
    if series.missing is not None:
        excess = np.where(series.missing.any(axis=1, keepdims=True), series.missing, excess)
    return (score[:, None] * excess / excess.sum(axis=1, keepdims=True).clip(min=1e-12)).astype(np.float32)


@torch.no_grad()
def usual_errors(detector: Detector | EnhancedDetector) -> np.ndarray | None:
    """Return the median squared standardised residual of each channel in training, [C]; None if it is not known.

    It does not depend on the scored series, so that shares do not change when data are appended.
    """
    if not isinstance(detector, EnhancedDetector):
        required = required_by(detector)
        return np.array(required.errors) if required is not None and required.errors else None
    starts = detector.reference_windows.starts.cpu().numpy()
    windows = sliding(detector.values, detector.window)[starts[:: -(-len(starts) // MOST_WINDOWS)]]
    detector.module.eval()
    return np.median(_squared_residuals(detector, windows), axis=(0, 2))


@torch.no_grad()
def channel_errors(detector: Detector | EnhancedDetector, series: Series, stride: int | None) -> np.ndarray:
    """Return the squared standardised residual of each point and channel, averaged over covering windows, [T, C].

    NaN at points that no window covers.
    """
    windows = sliding(series.values, detector.window)
    detector.module.eval()
    batches = start_batches(series.segments, detector.window, stride, BATCH)
    measured = ((starts, _squared_residuals(detector, windows[starts]).transpose(1, 0, 2)) for starts in batches)
    return streamed_overlap_mean(measured, series.length).T


def _squared_residuals(detector: Detector | EnhancedDetector, windows: np.ndarray) -> np.ndarray:
    """Squared standardised residuals of windows [B, C, L]."""
    shift, scale = detector.shift_and_scale
    x = torch.from_numpy(windows.copy()).to(shift.device)
    return ((x - detector.reconstruct(x)) / scale[:, None]).square().cpu().numpy()
