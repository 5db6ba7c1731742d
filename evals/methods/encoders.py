"""Network parts and distances that several methods share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad


class CausalBlock(nn.Module):
    """Two causal convolutions with weight norm and a residual (Bai, Kolter and Koltun 2018, arXiv:1803.01271)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        norm = nn.utils.parametrizations.weight_norm
        self.first = norm(nn.Conv1d(inputs, outputs, kernel, dilation=dilation))
        self.second = norm(nn.Conv1d(outputs, outputs, kernel, dilation=dilation))
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, L] to [B, outputs, L]."""
        hidden = leaky_relu(self.first(pad(x, (self.reach, 0))))
        return leaky_relu(self.second(pad(hidden, (self.reach, 0))) + self.skip(x))


def tcn(channels: int, width: int, layers: int, kernel: int) -> nn.Sequential:
    """Stack causal blocks with dilations 1, 2, 4, ...: [B, channels, L] to [B, width, L]."""
    sizes = [channels, *([width] * layers)]
    return nn.Sequential(*(CausalBlock(sizes[k], sizes[k + 1], kernel, 2**k) for k in range(layers)))


def layers_for(window: int, kernel: int) -> int:
    """Return how many causal blocks are needed to see a whole window.

    Each block adds ``2 (kernel - 1)`` times its dilation to the receptive field.
    """
    layers = 1
    while 1 + 2 * (kernel - 1) * (2**layers - 1) < window:
        layers += 1
    return layers


def unit(vectors: Tensor) -> Tensor:
    """Scale vectors [..., D] to length one."""
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-8)


def nearest_distance(vectors: Tensor, memory: Tensor) -> Tensor:
    """Return the Euclidean distance of each vector [B, D] to the nearest one in ``memory`` [M, D], [B]."""
    return torch.cdist(vectors, memory).min(dim=1).values


def neighbour_distance(vectors: Tensor, memory: Tensor, neighbours: int) -> Tensor:
    """Return the mean cosine distance of unit vectors [B, D] to the nearest ones in ``memory`` [M, D], [B]."""
    similarity = vectors @ memory.T
    return 1 - similarity.topk(min(neighbours, len(memory)), dim=1).values.mean(dim=1)
