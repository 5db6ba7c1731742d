"""Assess a series with any detector: its score, and the channels that cause it."""

from __future__ import annotations

import numpy as np
import torch

from ape.core.errors import InputError
from ape.core.progress import Progress
from ape.detectors import Detector, WindowedDetector
from ape.detectors.inputs import prepared, required_by
from ape.posttrain.assessment import Assessment
from ape.posttrain.detector import EnhancedDetector
from ape.series import Series
from ape.series.windows import points, sliding, start_batches, streamed_overlap_mean

BATCH = 256  # windows in one pass of a backbone


def assess(
    detector: Detector | EnhancedDetector,
    series: Series,
    *,
    own: bool = False,
    stride: int | None = None,
    progress: Progress | None = None,
) -> Assessment:
    """Score a series, and say for each point which channels are at fault and, if it has rules, which rule fits.

    For an enhanced detector, the share of a channel comes from the evidence in it. For a plain one, it is proportional
    to its squared reconstruction error divided by its median error in training. A detector that does not know this
    error is measured on the training part of the series. Where values are missing, only their channels have shares.

    Parameters
    ----------
    detector : Detector or EnhancedDetector
    series : Series
        The columns of the shares are the channels of the detector, as in `ape.detectors.inputs.prepared`.
    own : bool
        Use the backbone's own score, which only a plain detector has.
    stride : int, optional
        Step between windows of a plain detector.
    progress : callable, optional
        ``progress(step, done, total, note="")``, of an enhanced detector only: a plain one is many times as fast.

    Raises
    ------
    InputError
        ``own`` is requested of an enhanced detector, or the series has other channels than the training data.
    """
    if isinstance(detector, EnhancedDetector):
        if own:
            raise InputError("an enhanced detector has one score", "--own", "use the folder of a plain detector")
        return detector.assess(series, progress)
    series = prepared(detector, series)
    if own and isinstance(detector, WindowedDetector):
        score = detector.score(series, stride, own=True)
    else:
        score = detector.score(series, stride)
    shares = (
        np.ones((series.length, 1), np.float32) if series.n_channels == 1 else error_shares(detector, series, stride)
    )
    return Assessment(score, np.where(np.isnan(score)[:, None], np.nan, shares).astype(np.float32))


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
