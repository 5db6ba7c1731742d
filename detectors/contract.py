"""What post-training and scoring ask of a detector: a protocol, not a base class that one must inherit."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from torch import Tensor, nn

from ape.core.progress import Progress
from ape.series import Series


@runtime_checkable
class Detector(Protocol):
    """A reconstruction-based detector over windows [B, C, L] in data units."""

    @property
    def window(self) -> int:
        """Window length L in samples."""

    @property
    def module(self) -> nn.Module:
        """The backbone."""

    @property
    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """Shift and scale, [C] each, that standardise data for the backbone."""

    def fit(self, series: Series, seed: int = 0, progress: Progress | None = None) -> Self:
        """Train on the training part of a series."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruction [B, C, L], differentiable."""

    def encode(self, x: Tensor) -> Tensor:
        """Latent [B, D], differentiable."""

    def loss(self, x: Tensor) -> Tensor:
        """Training loss, a scalar."""

    def point_scores(self, x: Tensor) -> Tensor:
        """Reconstruction error of each point, [B, L]."""

    def score(self, series: Series, stride: int | None = None) -> np.ndarray:
        """Anomaly score of each point of a series, float32 [T]."""

    def clone(self) -> Self:
        """Independent copy."""

    def save(self, folder: Path | str) -> None:
        """Write the detector into a folder."""
