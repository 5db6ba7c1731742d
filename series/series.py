"""The ``Series`` type: values, channel names, timestamps, and the end of the training part."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Series:
    """A validated multichannel series, without labels.

    Parameters
    ----------
    values : ndarray, float32 [T, C]
        In data units, finite.
    channels : tuple of str
        One name for each channel.
    train_end : int or None
        Points before it are the training part, assumed to be normal. None: the whole series is the training part.
    timestamps : ndarray, datetime64[ns] [T], or None
        Strictly increasing, if the file has them.
    text : str or None
        Free-text description of the scenario.
    name : str
        For people and reports only; agents do not see it.
    notes : tuple of str
        What loading changed (filled gaps, dropped columns), for people.
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
        """Training part, float32 [n, C]: the points before ``train_end``, or all points."""
        return self.values[: self.train_end]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the values, the channel names and ``train_end``."""
        digest = hashlib.sha256(np.ascontiguousarray(self.values).tobytes())
        digest.update(repr((self.values.shape, self.channels, self.train_end)).encode())
        return digest.hexdigest()
