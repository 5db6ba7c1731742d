"""Layers shared by several backbones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

BASE = 10_000.0  # of the sinusoidal position code


def perceptron(widths: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return linear layers from each width to the next, each followed by an activation."""
    return nn.Sequential(*[layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation())])


def position_code(length: int, width: int) -> Tensor:
    """Return the sinusoidal position code (Vaswani et al. 2017, arXiv:1706.03762), [length, width]."""
    even = torch.arange(0, width, 2)
    angle = torch.arange(length)[:, None] * torch.exp(-math.log(BASE) * even / width)
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width]


def attend(layer: nn.MultiheadAttention, queries: Tensor, memory: Tensor) -> Tensor:
    """Return the output of a batch-first ``layer``, faster than calling it.

    Attention weights are not computed, and queries shared by all windows are projected once.

    Parameters
    ----------
    layer : nn.MultiheadAttention
    queries : Tensor [B, Lq, D] or [Lq, D]
    memory : Tensor [B, Lk, D]
        Keys and values.

    Returns
    -------
    Tensor [B, Lq, D]
    """
    sizes = [layer.embed_dim, 2 * layer.embed_dim]
    weights, biases = layer.in_proj_weight.split(sizes), layer.in_proj_bias.split(sizes)
    query_part = functional.linear(queries, weights[0], biases[0])
    memory_parts = functional.linear(memory, weights[1], biases[1]).chunk(2, dim=2)
    query, key, value = (
        part.unflatten(-1, (layer.num_heads, -1)).transpose(-3, -2) for part in (query_part, *memory_parts)
    )
    mixed = functional.scaled_dot_product_attention(query.expand(memory.shape[0], -1, -1, -1), key, value)
    return layer.out_proj(mixed.transpose(1, 2).flatten(2))
