"""Windows of the training part, and the search for the nearest ones of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.series.windows import Segments, spaced_starts

MAX_WINDOWS = 4000
CHUNK = 512  # queries per distance matrix
MAX_SEARCH = 1024  # values per window in the search


def window_starts(segments: Segments, window: int) -> np.ndarray:
    """Return the starts of windows within segments, int64; a regular subset if there are many."""
    return spaced_starts(segments, window, MAX_WINDOWS)


@dataclass(frozen=True)
class TrainingWindows:
    """Standardised windows of the training part.

    Parameters
    ----------
    windows : Tensor, float32 [R, C, L]
    starts : Tensor, int64 [R]
        Their starts in the series.
    """

    windows: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def cut(
        cls, values: np.ndarray, positions: np.ndarray, window: int, shift: torch.Tensor, scale: torch.Tensor
    ) -> TrainingWindows:
        """Cut the windows at ``positions`` out of ``values`` [n, C]. They are on the device of ``shift``."""
        series = (torch.from_numpy(values.T.copy()).to(shift.device) - shift[:, None]) / scale[:, None]
        starts = torch.from_numpy(positions).to(shift.device)
        return cls(series.unfold(1, window, 1)[:, starts].transpose(0, 1).contiguous(), starts)

    @property
    def window(self) -> int:
        """Window length L."""
        return self.windows.shape[2]

    @cached_property
    def coarse(self) -> torch.Tensor:
        """Rows for the search, [R, .]; large windows are averaged over neighbouring samples."""
        channels, length = self.windows.shape[1:]
        return adaptive_avg_pool1d(self.windows, min(length, max(8, MAX_SEARCH // channels))).flatten(1)

    def distinct_neighbours(self, count: int) -> torch.Tensor:
        """Return the ``count`` nearest windows of each window, int64 [count, R], nearest first.

        They overlap neither the window nor each other. If there are fewer, the last one is repeated.
        """
        rows = torch.arange(len(self.starts), device=self.starts.device)
        return torch.cat([self._distinct(some, count) for some in rows.split(CHUNK)], dim=1)

    def _distinct(self, rows: torch.Tensor, count: int) -> torch.Tensor:
        """Return the same for some rows."""
        # the norm of the query does not change which window is nearest
        distance = self.coarse.square().sum(1) - 2 * self.coarse[rows] @ self.coarse.T
        distance = distance.masked_fill(self._overlapping(self.starts[rows]), torch.inf)
        nearest = [distance.argmin(1)]
        while len(nearest) < count:
            distance = distance.masked_fill(self._overlapping(self.starts[nearest[-1]]), torch.inf)
            least, index = distance.min(1)
            nearest.append(torch.where(least.isfinite(), index, nearest[-1]))
        return torch.stack(nearest)

    def _overlapping(self, starts: torch.Tensor) -> torch.Tensor:
        return (starts[:, None] - self.starts).abs() < self.window
