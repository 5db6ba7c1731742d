"""Naive layers in NumPy: linear, layer norm, multi-head attention, spectra, sums over time."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np
from torch import nn


def linear(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    """Map rows [..., inputs] to [..., outputs]."""
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def layer_norm(layer: nn.LayerNorm, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + layer.eps)
    return scaled * layer.weight.detach().numpy() + layer.bias.detach().numpy()


def attend(layer: nn.MultiheadAttention, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Multi-head attention of queries [Lq, D] to keys [Lk, D], query by query, [Lq, D]."""
    weight, bias = layer.in_proj_weight.detach().numpy(), layer.in_proj_bias.detach().numpy()
    width = queries.shape[1]
    q, k, v = (
        source @ weight[i * width : (i + 1) * width].T + bias[i * width : (i + 1) * width]
        for i, source in enumerate((queries, keys, keys))
    )
    mixed, size = np.zeros_like(q), width // layer.num_heads
    for h in range(layer.num_heads):
        part = slice(h * size, (h + 1) * size)
        for i in range(len(q)):
            raw = [math.exp(q[i, part] @ k[j, part] / math.sqrt(size)) for j in range(len(k))]
            for j in range(len(k)):
                mixed[i, part] += raw[j] / sum(raw) * v[j, part]
    return linear(layer.out_proj, mixed)


def spectrum(values: Sequence[float]) -> list[float]:
    """Real parts, then imaginary parts, up to the middle frequency, of a transform that preserves the energy."""
    length, real, imaginary = len(values), [], []
    for k in range(length // 2 + 1):
        angles = [2 * math.pi * k * t / length for t in range(length)]
        real.append(sum(v * math.cos(a) for v, a in zip(values, angles, strict=True)) / math.sqrt(length))
        imaginary.append(-sum(v * math.sin(a) for v, a in zip(values, angles, strict=True)) / math.sqrt(length))
    return real + imaginary


def strongest_periods(x: Sequence[Sequence[float]], count: int) -> list[tuple[float, int]]:
    """Amplitudes and periods of the strongest frequencies of features [L][D], by the definition of the transform."""
    length, width = len(x), len(x[0])
    pairs = []
    for f in range(1, length // 2 + 1):
        sums = [sum(x[t][d] * cmath.exp(-2j * cmath.pi * f * t / length) for t in range(length)) for d in range(width)]
        pairs.append((sum(abs(value) for value in sums) / width, math.ceil(length / f)))
    return sorted(pairs, reverse=True)[:count]
