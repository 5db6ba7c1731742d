"""The one ``Series`` type: values, channel names, and what is known about time and training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Series:
    """A checked multichannel series; labels are not part of it.

    Parameters
    ----------
    values : ndarray, float32 [T, C]
        In data units, finite.
    channels : tuple of str
        One name a channel.
    train_end : int or None
        Everything before it is taken as normal; without it the whole series is training data.
    timestamps : ndarray, datetime64[ns] [T], or None
        Strictly increasing, where the file has them.
    text : str or None
        What people wrote about the scenario.
    name : str
        For people and reports only; no agent sees it.
    notes : tuple of str
        What loading changed (filled gaps, left-out columns), for the person to read.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    train_end: int | None = None
    timestamps: np.ndarray | None = None
    text: str | None = None
    name: str = "series"
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Number of points T."""
        return self.values.shape[0]

    @property
    def n_channels(self) -> int:
        """Number of channels C."""
        return self.values.shape[1]

    @property
    def train(self) -> np.ndarray:
        """Training part, float32 [n, C]: before ``train_end``, or everything."""
        return self.values[: self.train_end]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the values, the channel names and ``train_end``."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values).tobytes())
        digest.update(repr((self.values.shape, self.channels, self.train_end)).encode())
        return digest.hexdigest()
