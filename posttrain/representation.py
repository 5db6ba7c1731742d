"""Distances between features of windows, and projection heads on these features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import normalize

from ape.posttrain.parts import Parts

SHRINKAGE = 0.05  # of correlations towards zero
HEAD_WIDTHS = (64,)
DIMENSION = 32
DROPOUT = 0.1


class Mahalanobis(nn.Module):
    """Mahalanobis distance to training data with shrunk correlations, divided by the root of the dimension."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.whiten: torch.Tensor
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("whiten", torch.eye(dimension))

    def fit(self, x: torch.Tensor) -> None:
        """Estimate mean, scale and shrunk correlation from ``x`` [N, D]."""
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
        """Return the distance of each row, [B]."""
        return ((x - self.mean) @ self.whiten).square().sum(1).add(1e-12).sqrt()


class Representation(nn.Module):
    """Scaled features of a window, and projection heads on them.

    Residuals are not normalised per window, because the size of an error carries information. So does its shape: during
    training, the residuals of all branches are multiplied by a random factor up to the head's gain. With a gain above
    one, a head cannot rely on size alone, and normal data that drift cause fewer alarms. Scales come from the normal
    training windows under the original backbone.

    Parameters
    ----------
    latent, cells : int
        Sizes of the inputs.
    inputs : sequence of {"latent", "residual", "nearest"}
        Inputs of the heads.
    gains : sequence of float
        One per head, at least 1.
    generator : Generator
        Draws the initial weights.
    """

    def __init__(
        self, latent: int, cells: int, inputs: Sequence[str], gains: Sequence[float], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.inputs = tuple(inputs)
        self.latent_mean: torch.Tensor
        self.latent_scale: torch.Tensor
        self.error_scales: torch.Tensor
        self.gains: torch.Tensor
        self.centres: torch.Tensor
        self.register_buffer("latent_mean", torch.zeros(latent))
        self.register_buffer("latent_scale", torch.ones(latent))
        self.register_buffer("error_scales", torch.ones(3))
        self.register_buffer("gains", torch.tensor(gains, dtype=torch.float32))
        self.register_buffer("centres", torch.zeros(len(gains), DIMENSION))
        self.mahalanobis = Mahalanobis(latent + cells)
        self.relative = Mahalanobis(cells)
        self.nearest = Mahalanobis(cells)
        sizes = {"latent": latent, "residual": cells, "nearest": 2 * (cells + 1)}
        wide = sum(sizes[name] for name in self.inputs)
        self.heads = projection(len(gains), (wide, *HEAD_WIDTHS, DIMENSION), generator)

    def fit(self, parts: Parts) -> None:
        """Estimate scales and covariances from normal training windows."""
        self.latent_mean.copy_(parts.latent.mean(0))
        scale = parts.latent.std(0)
        self.latent_scale.copy_(scale.clamp(min=1e-3 * float(scale.max()) + 1e-12))
        nearest, nearest_shape = parts.nearest.chunk(2, 1)
        errors = (parts.relative, nearest, nearest_shape)
        self.error_scales.copy_(torch.stack([x.square().mean().sqrt() for x in errors]).clamp(min=1e-12))
        self.mahalanobis.fit(torch.cat([parts.latent, parts.residual], 1))
        self.relative.fit(parts.relative)
        self.nearest.fit(nearest)

    def distances(self, parts: Parts) -> torch.Tensor:
        """Return the distances of `nearest`, of the relative residual, and of latent with residual, [B, 3]."""
        nearest, both = parts.nearest.chunk(2, 1)[0], torch.cat([parts.latent, parts.residual], 1)
        return torch.stack([self.nearest(nearest), self.relative(parts.relative), self.mahalanobis(both)], 1)

    def to_nearest(self, parts: Parts) -> torch.Tensor:
        """Return the Mahalanobis distance to the nearest window and the distance to the nearest in shape, [B, 2]."""
        nearest, in_shape = parts.nearest.chunk(2, 1)
        return torch.stack([self.nearest(nearest), in_shape.square().mean(1).add(1e-12).sqrt()], 1)

    def forward(self, parts: Parts) -> torch.Tensor:
        """Return the unit vectors of each head, [H, B, 32]."""
        return normalize(self.heads(self.rows(parts)), dim=2)

    def rows(self, parts: Parts) -> torch.Tensor:
        """Return the inputs of each head, [H, B, .]. In training, residuals are multiplied by a random factor."""
        distances = self.to_nearest(parts)
        factor = torch.ones_like(self.gains)[:, None, None]
        if self.training:
            factor = self.gains[:, None, None] ** torch.rand_like(distances[:, :1])
        errors = (parts.relative, *parts.nearest.chunk(2, 1))
        residual, *nearest = ((x * factor / scale).asinh() for x, scale in zip(errors, self.error_scales, strict=True))
        latent = (parts.latent - self.latent_mean) / self.latent_scale
        features = {
            "latent": latent.expand(len(factor), -1, -1),
            "residual": residual,
            "nearest": torch.cat([*nearest, (distances * factor).log()], 2),
        }
        return torch.cat([features[name] for name in self.inputs], 2)

    def away(self, parts: Parts) -> torch.Tensor:
        """Return the distance of windows to each head's centre of normality, one minus the cosine, [B, H]."""
        return 1 - torch.einsum("hbd,hd->bh", self(parts), self.centres)

    def set_centres(self, parts: Parts) -> None:
        """Set the centres of normality to the mean directions of normal windows."""
        self.centres.copy_(normalize(self(parts).mean(1), dim=1))


class HeadLinear(nn.Module):
    """One linear layer per head, [H, B, wide] to [H, B, narrow], with torch's initialisation, drawn on the CPU."""

    def __init__(self, heads: int, wide: int, narrow: int, generator: torch.Generator) -> None:
        super().__init__()

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(shape, generator=generator) - 1) * wide**-0.5)

        self.weight, self.bias = drawn(heads, wide, narrow), drawn(heads, 1, narrow)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer of each head to its rows."""
        return torch.baddbmm(self.bias, x, self.weight)


def projection(heads: int, widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Build one perceptron per head with layers of these ``widths``."""
    layers: list[nn.Module] = []
    for i, (wide, narrow) in enumerate(pairwise(widths)):
        layers += [nn.GELU(), nn.Dropout(DROPOUT)] if i else []
        layers.append(HeadLinear(heads, wide, narrow, generator))
    return nn.Sequential(*layers)
