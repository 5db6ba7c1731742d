"""What the head sees of a window (latent, two residuals, two Mahalanobis distances), and the head."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool1d, normalize

MAX_BINS = 48  # of a residual, a channel
MAX_CELLS = 384  # of a residual, all channels
MAX_LATENT = 256
SHRINKAGE = 0.05  # of correlations towards zero
HEAD_WIDTHS = (64,)
DIMENSION = 32
DROPOUT = 0.1


class Parts(NamedTuple):
    """Pooled, unscaled inputs of the representation, each [B, .]."""

    latent: torch.Tensor
    residual: torch.Tensor
    nearest: torch.Tensor


def pool_latent(latent: torch.Tensor) -> torch.Tensor:
    """Average neighbouring entries of a latent [B, D] where there are more than a head should see."""
    return adaptive_avg_pool1d(latent[:, None], min(latent.shape[1], MAX_LATENT))[:, 0]


def pool_residual(residual: torch.Tensor) -> torch.Tensor:
    """Average a standardised residual [B, C, L] over time into at most 48 bins a channel, [B, cells]."""
    channels, length = residual.shape[1:]
    return adaptive_avg_pool1d(residual, max(2, min(MAX_BINS, MAX_CELLS // channels, length))).flatten(1)


class Mahalanobis(nn.Module):
    """Mahalanobis distance to training data, its correlations shrunk, divided by the root of the dimension."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.whiten: torch.Tensor
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("whiten", torch.eye(dimension))

    def fit(self, x: torch.Tensor) -> None:
        """Take mean, scale and shrunk correlation from ``x`` [N, D]."""
        x = x.double()
        mean, scale = x.mean(0), x.std(0)
        scale = scale.clamp(min=1e-3 * float(scale.max()) + 1e-12)
        unit = (x - mean) / scale
        correlation = (1 - SHRINKAGE) * unit.T @ unit / len(x)
        correlation += SHRINKAGE * torch.eye(len(mean), dtype=x.dtype, device=x.device)
        # x R^-1 x' = |x L^-T|^2 with R = L L'
        factor = torch.linalg.cholesky(correlation)
        whiten = torch.linalg.solve_triangular(factor, torch.diag(1 / scale), upper=False).T
        self.mean.copy_(mean)
        self.whiten.copy_(whiten / len(mean) ** 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Distance of each row, [B]."""
        return ((x - self.mean) @ self.whiten).square().sum(1).add(1e-12).sqrt()


class Representation(nn.Module):
    """Scaled features of a window and the projection head over them.

    The residuals keep their size (no normalisation of a whole row): how large an error is, is half of what there is to
    learn. Scales are those of the normal training windows under the backbone as it came and stay as they are.
    """

    def __init__(self, latent: int, cells: int, generator: torch.Generator) -> None:
        super().__init__()
        self.scales: torch.Tensor
        self.latent_mean: torch.Tensor
        self.centre: torch.Tensor
        self.register_buffer("scales", torch.ones(latent + 2 * cells))
        self.register_buffer("latent_mean", torch.zeros(latent))
        self.register_buffer("centre", torch.zeros(DIMENSION))
        self.inner = Mahalanobis(latent + cells)
        self.nearest = Mahalanobis(cells)
        widths = (latent + 2 * cells + 2, *HEAD_WIDTHS, DIMENSION)
        layers: list[nn.Module] = []
        for i, (wide, narrow) in enumerate(pairwise(widths)):
            layers += [nn.GELU(), nn.Dropout(DROPOUT)] if i else []
            layers.append(linear(wide, narrow, generator))
        self.head = nn.Sequential(*layers)

    def fit(self, parts: Parts) -> None:
        """Take scales and the two covariances from normal training windows."""
        self.latent_mean.copy_(parts.latent.mean(0))
        latent_scale = parts.latent.std(0)
        latent_scale = latent_scale.clamp(min=1e-3 * float(latent_scale.max()) + 1e-12)
        errors = [x.square().mean().sqrt().clamp(min=1e-12).expand(x.shape[1]) for x in parts[1:]]
        self.scales.copy_(torch.cat([latent_scale, *errors]))
        self.inner.fit(torch.cat(parts[:2], 1))
        self.nearest.fit(parts.nearest)

    def distances(self, parts: Parts) -> tuple[torch.Tensor, torch.Tensor]:
        """Mahalanobis distances of [latent, residual] and of the nearest-window residual, each [B]."""
        return self.inner(torch.cat(parts[:2], 1)), self.nearest(parts.nearest)

    def forward(self, parts: Parts) -> torch.Tensor:
        """Unit vectors [B, 32]."""
        row = torch.cat([parts.latent - self.latent_mean, *parts[1:]], 1) / self.scales
        logs = torch.stack(self.distances(parts), 1).log()
        return normalize(self.head(torch.cat([row, logs], 1)), dim=1)


def linear(wide: int, narrow: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's usual initial law, drawn from ``generator`` on the CPU."""
    layer = nn.utils.skip_init(nn.Linear, wide, narrow)
    bound = wide**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * bound)
    return layer
