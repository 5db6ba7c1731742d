"""The subspace voice: how far short patches of all channels are from the linear subspace of normal ones.

Principal components of lagged values (Ku, Storer and Georgakis 1995), with the squared prediction error as distance
(Jackson and Mudholkar 1979). It sees what breaks the linear relations between channels, however long it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from ape.detectors.training import seeded
from ape.posttrain.discriminator.normal import Normal

PATCH = 16  # samples
EXPLAINED = 0.95  # share of the variance in the subspace
MOST_COMPONENTS = 64
MOST_PATCHES = 2000  # of the training part; a regular subset if there are more
LEAST = 1e-4  # squared standard deviations


@dataclass(frozen=True)
class Subspace:
    """The subspace of normal patches of C channels, one channel after the other: D = C * 16 values.

    Parameters
    ----------
    deviation : Tensor, float32 [C]
        Standard deviation of the samples, by which they are divided; 1 for a constant channel. Channels with rare large
        values would otherwise be most of the variance, since samples are standardised by a robust scale.
    mean : Tensor, float32 [D]
    components : Tensor, float32 [D, k]
        Orthonormal.
    """

    deviation: Tensor
    mean: Tensor
    components: Tensor

    @classmethod
    def of(cls, normal: Normal) -> Subspace:
        """Find the subspace of the clean patches of the training part."""
        at = torch.nonzero(normal.places(1, PATCH))[:, 0]
        at = at[torch.linspace(0, len(at) - 1, min(MOST_PATCHES, len(at)), device=at.device).long()]
        patches = normal.cells(1).unfold(1, PATCH, 1)[:, at].transpose(0, 1)
        deviation = patches.std((0, 2))
        deviation[deviation == 0] = 1
        patches = (patches / deviation[:, None]).flatten(1)
        mean = patches.mean(0)
        with seeded(0):  # the decomposition starts from random directions
            _, sizes, components = torch.pca_lowrank(patches, min(MOST_COMPONENTS, *patches.shape))
        explained = sizes.square().cumsum(0) / (patches - mean).square().sum()
        return cls(deviation, mean, components[:, : int((explained < EXPLAINED).sum()) + 1])

    def distance(self, samples: Tensor) -> Tensor:
        """Return the logarithm of the local squared distance to the subspace in each channel.

        Parameters
        ----------
        samples : Tensor, float32 [B, C, n]
            Standardised.

        Returns
        -------
        Tensor [B, C, n]
            Mean over the values of a patch, then over the patches that cover a sample.
        """
        channels = samples.shape[1]
        samples = samples / self.deviation[:, None]
        patches = samples.unfold(2, PATCH, 1).transpose(1, 2).flatten(2) - self.mean  # [B, n - 15, D]
        rest = patches - patches @ self.components @ self.components.T
        square = rest.square().unflatten(2, (channels, PATCH)).mean(3).transpose(1, 2)
        edge = PATCH - 1
        count = avg_pool1d(pad(torch.ones_like(square[:1, :1]), (edge, edge)), PATCH, 1)
        return torch.log(avg_pool1d(pad(square, (edge, edge)), PATCH, 1) / count + LEAST)
