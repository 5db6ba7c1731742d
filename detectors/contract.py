"""Contracts: what post-training requires of a detector, and what a detector requires of its backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from torch import Tensor, nn

from ape.core.progress import Progress
from ape.series import Series


@runtime_checkable
class Detector(Protocol):
    """A reconstruction-based detector on windows [B, C, L] in data units. Classes need not inherit from it.

    `Backbone.one_pass` is not part of this contract: it only saves time, and post-training works without it.
    """

    @property
    def window(self) -> int:
        """Window length L in samples."""

    @property
    def module(self) -> nn.Module:
        """The backbone."""

    @property
    def shift_and_scale(self) -> tuple[Tensor, Tensor]:
        """Shift and scale, [C] each, that standardise data for the backbone."""

    def fit(self, series: Series, seed: int = 0, progress: Progress | None = None) -> Self:
        """Train on the training part of a series."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, C, L], differentiable."""

    def encode(self, x: Tensor) -> Tensor:
        """Return the latent [B, D], differentiable."""

    def loss(self, x: Tensor) -> Tensor:
        """Return the training loss, a scalar."""

    def point_scores(self, x: Tensor) -> Tensor:
        """Return the reconstruction error of each point, [B, L]."""

    def score(self, series: Series, stride: int | None = None) -> np.ndarray:
        """Return the anomaly score of each point of a series, float32 [T]; NaN where no window fits between gaps."""

    def clone(self) -> Self:
        """Return an independent copy."""

    def save(self, folder: Path | str) -> None:
        """Write the detector into a folder."""


class Backbone(nn.Module, ABC):
    """Base class of the networks inside `WindowedDetector`.

    Windows are [B, C, L], standardised by the training part. A subclass implements ``__init__(channels, window,
    **options)``, `encode`, `reconstruct` and `loss`. It overrides `one_pass` if `reconstruct` and `encode` share work,
    and `own_scores` if its paper scores by something other than the reconstruction error.
    """

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return the latent [B, D], differentiable."""

    @abstractmethod
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, C, L], differentiable."""

    @abstractmethod
    def loss(self, x: Tensor) -> Tensor:
        """Return the training loss, a scalar."""

    def one_pass(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `reconstruct` and `encode`."""
        return self.reconstruct(x), self.encode(x)

    def own_scores(self, x: Tensor) -> Tensor:
        """Return the score that the paper defines for each point, [B, L]; by default the squared error."""
        return (x - self.reconstruct(x)).square().mean(dim=1)

    def has_own_score(self) -> bool:
        """Return whether the backbone defines its own score."""
        return type(self).own_scores is not Backbone.own_scores

    def fit_scores(self, windows: Tensor) -> None:
        """Fit the statistics that `own_scores` needs, on normal windows held out of training; by default none."""
