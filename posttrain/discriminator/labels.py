"""Soft labels: how anomalous a sample is, from the size of its change."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

NEAR = 5  # samples: a label looks at the largest change within two samples
FULL_RESIDUAL, FULL_SERIES = 0.75, 0.2  # change, in either deviation, from which a label counts in full


def share_of_change(made: Tensor, twin: Tensor, residual: Tensor, scale: Tensor) -> Tensor:
    """Return how anomalous each sample is, 0 to 1, from its difference to the window without the anomaly.

    Parameters
    ----------
    made, twin : Tensor [B, C, L]
        With and without the anomaly.
    residual, scale : Tensor, broadcast with [B, C, L]
        Robust standard deviations of the local residual and of the series.
    """
    change = (made - twin).abs()
    full = torch.maximum(FULL_RESIDUAL * residual, FULL_SERIES * scale)
    return (max_pool1d(change, NEAR, 1, NEAR // 2) / full).clamp(0, 1) * (change > 0)
