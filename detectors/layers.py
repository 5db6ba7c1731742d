"""Layers that several backbones are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

BASE = 10_000.0  # of the sinusoidal position code


def perceptron(widths: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers from each width to the next, an activation after each."""
    return nn.Sequential(*[layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation())])


def position_code(length: int, width: int) -> Tensor:
    """Sinusoidal position code (Vaswani et al. 2017, arXiv:1706.03762), [length, width]."""
    even = torch.arange(0, width, 2)
    angle = torch.arange(length)[:, None] * torch.exp(-math.log(BASE) * even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]
