"""Inputs of the heads: the latent and the residual of a window, and its differences to the nearest normal windows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.detectors import Detector

BATCH = 256  # windows in one pass of a backbone
MAX_BINS = 48  # of a residual, per channel
MAX_CELLS = 384  # of a residual, over all channels
MAX_LATENT = 256


class Parts(NamedTuple):
    """Pooled, unscaled inputs of the representation.

    Parameters
    ----------
    latent : Tensor [B, D]
    residual : Tensor [B, cells]
        Residual of the backbone's reconstruction, standardised.
    relative : Tensor [B, cells]
        The same minus the residual of the nearest normal window, which removes errors that the backbone makes anyway.
    nearest : Tensor [B, 2 cells]
        Differences to the nearest normal window and to the nearest in shape.
    """

    latent: torch.Tensor
    residual: torch.Tensor
    relative: torch.Tensor
    nearest: torch.Tensor


def parts_of(backbone: Detector, windows: torch.Tensor, nearest: torch.Tensor) -> tuple[Parts, torch.Tensor]:
    """Return the inputs of the representation and the standardised residual [B, C, L] of the reconstruction.

    Parameters
    ----------
    windows : Tensor [B, C, L]
        Data units.
    nearest : Tensor [B, 3 cells]
        Result of `Neighbours.pooled`.
    """
    return as_parts(backbone, windows, backbone.reconstruct(windows), backbone.encode(windows), nearest)


def as_parts(
    backbone: Detector, windows: torch.Tensor, rebuilt: torch.Tensor, latent: torch.Tensor, nearest: torch.Tensor
) -> tuple[Parts, torch.Tensor]:
    """Return the same as `parts_of`, given the reconstruction [B, C, L] and the latent [B, D]."""
    apart = (windows - rebuilt) / backbone.shift_and_scale[1][:, None]
    residual = pool_residual(apart)
    differences, usual = nearest.split([2 * residual.shape[1], residual.shape[1]], dim=1)
    return Parts(pool_latent(latent), residual, residual - usual, differences), apart


def pool_latent(latent: torch.Tensor) -> torch.Tensor:
    """Average neighbouring entries of a latent [B, D] down to at most 256."""
    return adaptive_avg_pool1d(latent[:, None], min(latent.shape[1], MAX_LATENT))[:, 0]


def pool_residual(residual: torch.Tensor) -> torch.Tensor:
    """Average a standardised residual [B, C, L] over time into at most 48 bins per channel, [B, cells]."""
    channels, length = residual.shape[1:]
    return adaptive_avg_pool1d(residual, max(2, min(MAX_BINS, MAX_CELLS // channels, length))).flatten(1)
