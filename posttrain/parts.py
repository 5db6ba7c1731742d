"""What the heads are given of a window: latent, residual, and what sets it apart from its nearest normal windows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.detectors import Detector

BATCH = 256  # windows that a backbone is given at once
MAX_BINS = 48  # of a residual, a channel
MAX_CELLS = 384  # of a residual, all channels
MAX_LATENT = 256


class Parts(NamedTuple):
    """Pooled, unscaled inputs of the representation.

    Parameters
    ----------
    latent : Tensor [B, D]
    residual : Tensor [B, cells]
        Of the backbone's reconstruction, standardised.
    relative : Tensor [B, cells]
        The same less the residual of the nearest normal window: what a backbone rebuilds badly everywhere is no news.
    nearest : Tensor [B, 2 cells]
        Differences to the nearest normal window, and to the nearest in shape.
    """

    latent: torch.Tensor
    residual: torch.Tensor
    relative: torch.Tensor
    nearest: torch.Tensor


def parts_of(backbone: Detector, windows: torch.Tensor, nearest: torch.Tensor) -> tuple[Parts, torch.Tensor]:
    """Inputs of the representation, and the standardised residual [B, C, L] of the reconstruction.

    Parameters
    ----------
    windows : Tensor [B, C, L]
        Data units.
    nearest : Tensor [B, 3 cells]
        What `Neighbours.pooled` gives.
    """
    return as_parts(backbone, windows, backbone.reconstruct(windows), backbone.encode(windows), nearest)


def as_parts(
    backbone: Detector, windows: torch.Tensor, rebuilt: torch.Tensor, latent: torch.Tensor, nearest: torch.Tensor
) -> tuple[Parts, torch.Tensor]:
    """What `parts_of` gives, of a reconstruction [B, C, L] and a latent [B, D] that are known."""
    apart = (windows - rebuilt) / backbone.scale_shift[1][:, None]
    residual = pool_residual(apart)
    differences, usual = nearest.split([2 * residual.shape[1], residual.shape[1]], dim=1)
    return Parts(pool_latent(latent), residual, residual - usual, differences), apart


def pool_latent(latent: torch.Tensor) -> torch.Tensor:
    """Average neighbouring entries of a latent [B, D] where there are more than a head should see."""
    return adaptive_avg_pool1d(latent[:, None], min(latent.shape[1], MAX_LATENT))[:, 0]


def pool_residual(residual: torch.Tensor) -> torch.Tensor:
    """Average a standardised residual [B, C, L] over time into at most 48 bins a channel, [B, cells]."""
    channels, length = residual.shape[1:]
    return adaptive_avg_pool1d(residual, max(2, min(MAX_BINS, MAX_CELLS // channels, length))).flatten(1)
