"""Negatives that know nothing of anomalies, in place of a bank's: controls that measure whether the bank helps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Negatives(Protocol):
    """Creates the windows that normal windows are contrasted with."""

    def __call__(self, hosts: Tensor, generator: torch.Generator, starts: Tensor) -> Tensor:
        """Return negatives [B, C, L] for normal windows [B, C, L] at ``starts``, int64 [B], in the series."""


def surrogates(hosts: Tensor, generator: torch.Generator, starts: Tensor) -> Tensor:
    """Randomise the phases of the hosts' spectra, equally for all channels (Theiler et al. 1992)."""
    length = hosts.shape[2]
    spectrum = torch.fft.rfft(hosts, dim=2)
    turn = 2 * math.pi * torch.rand(len(hosts), 1, spectrum.shape[2], generator=generator)
    turn[:, :, 0] = 0  # the mean and, for an even length, the highest frequency are real
    if length % 2 == 0:
        turn[:, :, -1] = 0
    return torch.fft.irfft(spectrum * torch.polar(torch.ones_like(turn), turn), n=length, dim=2)


def from_series(others: Sequence[np.ndarray]) -> Negatives:
    """Use windows of other series, scaled to the mean and deviation of the hosts.

    Parameters
    ----------
    others : sequence of ndarray [n]
        One channel each, not shorter than a window.
    """
    columns = [np.asarray(x, dtype=np.float64) for x in others]
    standard = [torch.from_numpy((x - x.mean()) / (x.std() or 1.0)).float() for x in columns]

    def cut(hosts: Tensor, generator: torch.Generator, starts: Tensor) -> Tensor:
        count, channels, length = hosts.shape
        usable = [x for x in standard if len(x) >= length]
        which = torch.randint(len(usable), (count, channels), generator=generator)
        place = torch.rand(count, channels, generator=generator)
        size = torch.tensor([len(x) - length + 1 for x in usable])[which]
        first = torch.tensor([0, *(len(x) for x in usable)]).cumsum(0)[which] + (place * size).long()
        windows = torch.cat(usable)[first[:, :, None] + torch.arange(length)]
        shift, scale = hosts.mean((0, 2)), hosts.std((0, 2))
        return windows * scale[:, None] + shift[:, None]

    return cut
