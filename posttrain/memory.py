"""The nearest normal window: what a window differs by from the closest thing seen in training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.series.windows import sliding

CHUNK = 512  # queries a distance matrix
MAX_SEARCH = 1024  # values that windows are compared by


def coarse(windows: torch.Tensor) -> torch.Tensor:
    """Windows [B, C, L] as rows to search by, averaged over neighbouring samples where they are long and wide."""
    channels, length = windows.shape[1:]
    return adaptive_avg_pool1d(windows, min(length, max(8, MAX_SEARCH // channels))).flatten(1)


@dataclass(frozen=True)
class Memory:
    """Reference windows of the training part, standardised.

    Parameters
    ----------
    windows : Tensor, float32 [R, C, L]
    starts : Tensor, int64 [R]
        Where they lie in the series.
    """

    windows: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def build(
        cls, values: np.ndarray, positions: np.ndarray, window: int, shift: torch.Tensor, scale: torch.Tensor
    ) -> Memory:
        """Cut the windows at ``positions`` out of ``values`` [n, C], onto the device of ``shift``."""
        windows = torch.from_numpy(sliding(values, window)[positions]).to(shift.device)
        return cls((windows - shift[:, None]) / scale[:, None], torch.from_numpy(positions).to(shift.device))

    @cached_property
    def coarse(self) -> torch.Tensor:
        """What references are searched by, [R, .]."""
        return coarse(self.windows)

    @property
    def window(self) -> int:
        """Window length L."""
        return self.windows.shape[2]

    def residual(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        """Difference to the nearest reference window.

        Parameters
        ----------
        windows : Tensor [B, C, L]
            Standardised.
        starts : Tensor, int64 [B], or None
            Positions in the series the references come from: those that overlap are left out (for a pseudo-anomaly,
            give its host's start). ``None`` for windows from elsewhere.

        Returns
        -------
        Tensor [B, C, L]
        """
        index = torch.cat(
            [
                self._nearest(windows[i : i + CHUNK], None if starts is None else starts[i : i + CHUNK])
                for i in range(0, len(windows), CHUNK)
            ]
        )
        return windows - self.windows[index]

    def _nearest(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        flat = self.coarse
        # The query's own norm does not change which reference is nearest.
        distance = flat.square().sum(1) - 2 * coarse(windows) @ flat.T
        if starts is not None:
            overlap = (starts[:, None] - self.starts).abs() < self.window
            distance = distance.masked_fill(overlap, torch.inf)
        return distance.argmin(1)

    def self_distance(self) -> torch.Tensor:
        """Distance of each reference to the nearest one that does not overlap it, root mean square a cell, [R]."""
        return self.residual(self.windows, self.starts).square().mean((1, 2)).sqrt()
