"""The nearest window: the closest thing seen in training, or earlier in the series that is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.series.windows import starts

MAX_REFERENCES = 4000  # of one series
CHUNK = 512  # queries a distance matrix
MOST_COMPARED = 1 << 24  # values of windows around references at once
REST = 10  # windows: earlier ones of a scored series count from then on, lest an anomaly that lasts excuse itself
FLAT = 0.1  # of the median standard deviation of a window
MAX_SEARCH = 1024  # values that windows are compared by


def reference_starts(length: int, window: int) -> np.ndarray:
    """Starts of windows over ``length`` points, int64, evenly spread where they are many."""
    return starts(length, window, max(1, -(-(length - window) // MAX_REFERENCES)))


def coarse(windows: torch.Tensor) -> torch.Tensor:
    """Windows [B, C, L] as rows to search by, averaged over neighbouring samples where they are long and wide."""
    channels, length = windows.shape[1:]
    return adaptive_avg_pool1d(windows, min(length, max(8, MAX_SEARCH // channels))).flatten(1)


@dataclass(frozen=True)
class Memory:
    """Reference windows, standardised.

    Parameters
    ----------
    series : Tensor, float32 [C, n]
        What they were cut from.
    windows : Tensor, float32 [R, C, L]
    starts : Tensor, int64 [R]
        Where they lie in the series.
    later : int
        How many of them, the last ones, are not of the training part but of a series that is scored.
    """

    series: torch.Tensor
    windows: torch.Tensor
    starts: torch.Tensor
    later: int = 0

    @classmethod
    def build(
        cls, values: np.ndarray, positions: np.ndarray, window: int, shift: torch.Tensor, scale: torch.Tensor
    ) -> Memory:
        """Cut the windows at ``positions`` out of ``values`` [n, C], onto the device of ``shift``."""
        series = (torch.from_numpy(values.T.copy()).to(shift.device) - shift[:, None]) / scale[:, None]
        starts = torch.from_numpy(positions).to(shift.device)
        return cls(series, series.unfold(1, window, 1)[:, starts].transpose(0, 1).contiguous(), starts)

    def followed_by(
        self, values: np.ndarray, first: int, offset: int, shift: torch.Tensor, scale: torch.Tensor
    ) -> Memory:
        """These references and windows of ``values`` [T, C], from ``first`` on.

        The first of the values lies at ``offset``: 0 if they begin with the series of these, else behind it.
        """
        length = len(values) - first
        if length < self.window:
            return self
        more = Memory.build(values, first + reference_starts(length, self.window), self.window, shift, scale)
        series = more.series if offset == 0 else torch.cat([self.series, more.series], 1)
        windows, places = torch.cat([self.windows, more.windows]), torch.cat([self.starts, more.starts + offset])
        return Memory(series, windows, places, len(more.starts))

    @cached_property
    def coarse(self) -> torch.Tensor:
        """What references are searched by, [R, .]."""
        return coarse(self.windows)

    @cached_property
    def least_spread(self) -> torch.Tensor:
        """Standard deviation [C, 1] that windows are divided by at least, so that flat ones are not blown up."""
        trained = self.windows[: len(self.windows) - self.later]
        return FLAT * trained.std(2).median(0).values[:, None].clamp(min=1e-6)

    def shape_of(self, windows: torch.Tensor) -> torch.Tensor:
        """Windows [..., C, L] without their level and amplitude, each channel on its own."""
        centred = windows - windows.mean(-1, keepdim=True)
        return centred / torch.maximum(windows.std(-1, keepdim=True), self.least_spread)

    @cached_property
    def shapes(self) -> Memory:
        """The same references without their level and amplitude."""
        return replace(self, windows=self.shape_of(self.windows))

    @property
    def window(self) -> int:
        """Window length L."""
        return self.windows.shape[2]

    def nearest(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        """Which reference is nearest to each window.

        Parameters
        ----------
        windows : Tensor [B, C, L]
            Standardised.
        starts : Tensor, int64 [B], or None
            Positions in the series the references come from: those that overlap are left out (for a pseudo-anomaly,
            give its host's start), and of the scored series all but those that are `REST` windows back, so that an
            anomaly is not excused by itself or by one that comes after it. ``None`` for windows from elsewhere.

        Returns
        -------
        Tensor, int64 [B]
        """
        parts = [
            self._distance(windows[i : i + CHUNK], None if starts is None else starts[i : i + CHUNK]).argmin(1)
            for i in range(0, len(windows), CHUNK)
        ]
        return torch.cat(parts)

    def closest(
        self,
        windows: torch.Tensor,
        index: torch.Tensor,
        starts: torch.Tensor | None,
        seen: Callable[[torch.Tensor], torch.Tensor] = lambda windows: windows,
    ) -> torch.Tensor:
        """The closest windows of the series [B, C, L] around the nearest references.

        References lie a few steps apart where the series is long; one that is a step off is far from a sharp peak.

        Parameters
        ----------
        windows, index, starts
            What `nearest` was given, and what it said.
        seen : callable
            What windows are compared as, such as `shape_of`.
        """
        if self.gap == 1:
            return seen(self.series.unfold(1, self.window, 1)[:, self.starts[index]].transpose(0, 1))
        steps = torch.arange(1 - self.gap, self.gap, device=index.device)
        places = (self.starts[index][:, None] + steps).clamp(0, self.series.shape[1] - self.window)
        if starts is not None:
            later = index >= len(self.starts) - self.later
            after = starts[:, None] - places
            barred = torch.where(later[:, None], after / REST, after.abs()) < self.window
            places = torch.where(barred, self.starts[index][:, None], places)
        views = self.series.unfold(1, self.window, 1)
        size = max(1, MOST_COMPARED // (len(steps) * windows[0].numel()))

        def best(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            around = seen(views[:, at].permute(1, 2, 0, 3))  # [B, steps, C, L]
            found = (x[:, None] - around).square().sum((2, 3)).argmin(1)
            return around[torch.arange(len(x), device=x.device), found]

        return torch.cat([best(x, at) for x, at in zip(windows.split(size), places.split(size), strict=True)])

    @cached_property
    def gap(self) -> int:
        """Steps between neighbouring references."""
        parts = self.starts.split([len(self.starts) - self.later, self.later])
        return max((int(part.diff().min()) for part in parts if len(part) > 1), default=1)

    def _distance(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        """Squared distances [B, R] less each query's own norm; infinite where `nearest` leaves one out."""
        flat = self.coarse
        # The query's own norm does not change which reference is nearest.
        distance = flat.square().sum(1) - 2 * coarse(windows) @ flat.T
        if starts is not None:
            after = starts[:, None] - self.starts
            barred = after.abs() < self.window
            if self.later:
                barred[:, -self.later :] = after[:, -self.later :] < REST * self.window
            distance = distance.masked_fill(barred, torch.inf)
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
