"""Random draws that the methods' pseudo-anomalies have in common.

All numbers come from ``generator``. Shapes broadcast against windows [B, C, L].
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def other_windows(count: int, generator: Generator) -> Tensor:
    """Return for each of ``count`` windows the index of another one, int64 [B]. A single window gets itself."""
    return (torch.arange(count) + torch.randint(1, max(count, 2), (count,), generator=generator)) % count


def stretches(count: int, length: int, bounds: tuple[int, int], generator: Generator) -> tuple[Tensor, Tensor]:
    """Draw one stretch within ``length`` samples for each window.

    Parameters
    ----------
    count : int
        Windows B.
    length : int
    bounds : (int, int)
        Smallest and largest size in samples, both inclusive.
    generator : Generator

    Returns
    -------
    first, size : Tensor, int64 [B, 1]
    """
    shortest, longest = bounds
    size = torch.randint(shortest, longest + 1, (count, 1), generator=generator)
    first = (torch.rand(count, 1, generator=generator) * (length - size + 1)).long()
    return first, size


def is_inside(length: int, first: Tensor, size: Tensor) -> Tensor:
    """Mark the samples of stretches with the given ``first`` sample and ``size``, each [B, 1], as bool [B, L]."""
    step = torch.arange(length)
    return (step >= first) & (step < first + size)


def some_channels(count: int, channels: int, number: Tensor, generator: Generator) -> Tensor:
    """Choose ``number`` [B, 1, 1] channels of each window at random, bool [B, C, 1]."""
    return torch.rand(count, channels, 1, generator=generator).argsort(1).argsort(1) < number


def signs(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw 1.0 or -1.0 with equal chance."""
    return 2.0 * torch.randint(2, shape, generator=generator) - 1


def uniform(bounds: tuple[float, float], shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw uniformly between two bounds."""
    low, high = bounds
    return low + (high - low) * torch.rand(shape, generator=generator)


def samples_at(windows: Tensor, positions: Tensor) -> Tensor:
    """Read every channel of windows [B, C, L] at ``positions``, int64 [B, N] or [1, N]; returns [B, C, N]."""
    return windows.gather(2, positions[:, None].expand(len(windows), windows.shape[1], -1))
