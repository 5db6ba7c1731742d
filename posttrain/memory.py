"""The nearest normal window: what a window differs by from the closest thing seen in training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.series.windows import sliding

CHUNK = 512  # queries a distance matrix
FLAT = 0.1  # of the median standard deviation of a window
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

    @cached_property
    def least_spread(self) -> torch.Tensor:
        """Standard deviation [C, 1] that windows are divided by at least, so that flat ones are not blown up."""
        return FLAT * self.windows.std(2).median(0).values[:, None].clamp(min=1e-6)

    def shape_of(self, windows: torch.Tensor) -> torch.Tensor:
        """Windows [B, C, L] without their level and amplitude, each channel on its own."""
        centred = windows - windows.mean(2, keepdim=True)
        return centred / torch.maximum(windows.std(2, keepdim=True), self.least_spread)

    @cached_property
    def shapes(self) -> Memory:
        """The same references without their level and amplitude."""
        return Memory(self.shape_of(self.windows), self.starts)

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
        return self._distance(windows, starts).argmin(1)

    def _distance(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        """Squared distances [B, R] less each query's own norm; infinite where windows overlap."""
        flat = self.coarse
        # The query's own norm does not change which reference is nearest.
        distance = flat.square().sum(1) - 2 * coarse(windows) @ flat.T
        if starts is not None:
            overlap = (starts[:, None] - self.starts).abs() < self.window
            distance = distance.masked_fill(overlap, torch.inf)
        return distance

    def distinct_neighbours(self, count: int) -> torch.Tensor:
        """The ``count`` nearest references of each reference, int64 [count, R], nearest first.

        They overlap neither the reference nor each other; where there are no more of them, the last one is repeated.
        """
        parts = [
            self._distinct(self.windows[i : i + CHUNK], self.starts[i : i + CHUNK], count)
            for i in range(0, len(self.windows), CHUNK)
        ]
        return torch.cat(parts, dim=1)

    def _distinct(self, windows: torch.Tensor, starts: torch.Tensor, count: int) -> torch.Tensor:
        distance = self._distance(windows, starts)
        found = [distance.argmin(1)]
        while len(found) < count:
            overlap = (self.starts[found[-1]][:, None] - self.starts).abs() < self.window
            distance = distance.masked_fill(overlap, torch.inf)
            least, index = distance.min(1)
            found.append(torch.where(least.isfinite(), index, found[-1]))
        return torch.stack(found)
