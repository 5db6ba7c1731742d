"""Find the nearest window of the training part, or of an earlier part of the scored series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool1d

from ape.series.windows import Segments, clip, spaced_starts, usable

MAX_REFERENCES = 4000  # of one series
CHUNK = 512  # queries per distance matrix
MOST_COMPARED = 1 << 24  # values compared at once around references
REST = 10  # windows until a scored window becomes a reference, so that a long anomaly cannot match itself
FLAT = 0.1  # share of the median standard deviation of a window
MAX_SEARCH = 1024  # values per window in the search


def reference_starts(segments: Segments, window: int) -> np.ndarray:
    """Return the starts of reference windows within segments, int64; a regular subset if there are many."""
    return spaced_starts(segments, window, MAX_REFERENCES)


def coarse(windows: torch.Tensor) -> torch.Tensor:
    """Return windows [B, C, L] as rows for the search; large ones are averaged over neighbouring samples."""
    channels, length = windows.shape[1:]
    return adaptive_avg_pool1d(windows, min(length, max(8, MAX_SEARCH // channels))).flatten(1)


@dataclass(frozen=True)
class ReferenceWindows:
    """Standardised reference windows.

    Parameters
    ----------
    series : Tensor, float32 [C, n]
        The series that they were cut from.
    windows : Tensor, float32 [R, C, L]
    starts : Tensor, int64 [R]
        Their starts in the series.
    segments : sequence of (int, int)
        Stretches of the series. No reference crosses their ends.
    later : int
        Number of windows, at the end, that come from the scored series and not from the training part.
    """

    series: torch.Tensor
    windows: torch.Tensor
    starts: torch.Tensor
    segments: Segments
    later: int = 0

    @classmethod
    def build(
        cls,
        values: np.ndarray,
        segments: Segments,
        positions: np.ndarray,
        window: int,
        shift: torch.Tensor,
        scale: torch.Tensor,
    ) -> ReferenceWindows:
        """Cut the windows at ``positions``, which lie in ``segments``, out of ``values`` [n, C].

        They are on the device of ``shift``.
        """
        series = (torch.from_numpy(values.T.copy()).to(shift.device) - shift[:, None]) / scale[:, None]
        starts = torch.from_numpy(positions).to(shift.device)
        windows = series.unfold(1, window, 1)[:, starts].transpose(0, 1).contiguous()
        return cls(series, windows, starts, segments)

    def followed_by(
        self,
        values: np.ndarray,
        segments: Segments,
        first: int,
        offset: int,
        shift: torch.Tensor,
        scale: torch.Tensor,
    ) -> ReferenceWindows:
        """Return these references followed by windows of ``values`` [T, C] and ``segments`` from ``first`` on.

        ``offset`` is the position of the first value: 0 if the values begin with this series, else the end of it.
        """
        later = usable(clip(segments, first, len(values)), self.window)
        if not later:
            return self
        positions = reference_starts(later, self.window)
        more = ReferenceWindows.build(values, segments, positions, self.window, shift, scale)
        windows, places = torch.cat([self.windows, more.windows]), torch.cat([self.starts, more.starts + offset])
        if offset == 0:
            series, segments = more.series, _continued(self.segments, segments, self.series.shape[1])
        else:
            series = torch.cat([self.series, more.series], 1)
            segments = [*self.segments, *((begin + offset, end + offset) for begin, end in segments)]
        return ReferenceWindows(series, windows, places, segments, len(positions))

    @cached_property
    def coarse(self) -> torch.Tensor:
        """Rows for the search, [R, .]."""
        return coarse(self.windows)

    @cached_property
    def least_spread(self) -> torch.Tensor:
        """Smallest divisor of windows, [C, 1], so that flat windows are not amplified."""
        trained = self.windows[: len(self.windows) - self.later]
        return FLAT * trained.std(2).median(0).values[:, None].clamp(min=1e-6)

    def shape_of(self, windows: torch.Tensor) -> torch.Tensor:
        """Remove level and amplitude from each channel of windows [..., C, L]."""
        centred = windows - windows.mean(-1, keepdim=True)
        return centred / torch.maximum(windows.std(-1, keepdim=True), self.least_spread)

    @cached_property
    def shapes(self) -> ReferenceWindows:
        """The same references without their level and amplitude."""
        return replace(self, windows=self.shape_of(self.windows))

    @property
    def window(self) -> int:
        """Window length L."""
        return self.windows.shape[2]

    def nearest(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        """Return the index of the nearest reference of each window.

        Parameters
        ----------
        windows : Tensor [B, C, L]
            Standardised.
        starts : Tensor, int64 [B], or None
            Positions in the series of the references. Overlapping references are excluded (for a pseudo-anomaly, give
            the start of its host). Of the scored series, only references at least `REST` windows earlier are used, so
            that an anomaly cannot match itself or a later one. ``None`` for windows of another series.

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
        view: Callable[[torch.Tensor], torch.Tensor] = lambda windows: windows,
    ) -> torch.Tensor:
        """Return the closest windows of the series, [B, C, L], around the nearest references.

        In a long series, references are a few steps apart, and a shift by one step makes a large difference at a sharp
        peak.

        Parameters
        ----------
        windows, index, starts
            Arguments and result of `nearest`.
        view : callable
            Transforms windows for the comparison, for example `shape_of`.
        """
        if self.gap == 1:
            return view(self.series.unfold(1, self.window, 1)[:, self.starts[index]].transpose(0, 1))
        steps = torch.arange(1 - self.gap, self.gap, device=index.device)
        nearest, (first, last) = self.starts[index][:, None], (limit[index][:, None] for limit in self.limits)
        places = torch.minimum(torch.maximum(nearest + steps, first), last)
        if starts is not None:
            later = index >= len(self.starts) - self.later
            after = starts[:, None] - places
            excluded = torch.where(later[:, None], after / REST, after.abs()) < self.window
            places = torch.where(excluded, nearest, places)
        views = self.series.unfold(1, self.window, 1)
        size = max(1, MOST_COMPARED // (len(steps) * windows[0].numel()))

        def closest(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            around = view(views[:, at].permute(1, 2, 0, 3))  # [B, steps, C, L]
            best = (x[:, None] - around).square().sum((2, 3)).argmin(1)
            return around[torch.arange(len(x), device=x.device), best]

        return torch.cat([closest(x, at) for x, at in zip(windows.split(size), places.split(size), strict=True)])

    @cached_property
    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """First and last start in the segment of each reference, int64 [R] each."""
        begins, ends = torch.tensor(self.segments, device=self.starts.device).T.contiguous()
        segment = torch.searchsorted(begins, self.starts, right=True) - 1
        return begins[segment], ends[segment] - self.window

    @cached_property
    def gap(self) -> int:
        """Steps between neighbouring references."""
        parts = self.starts.split([len(self.starts) - self.later, self.later])
        return max((int(part.diff().min()) for part in parts if len(part) > 1), default=1)

    def _distance(self, windows: torch.Tensor, starts: torch.Tensor | None) -> torch.Tensor:
        """Return squared distances [B, R] minus the norm of each query; infinite for references to exclude."""
        flat = self.coarse
        # the norm of the query does not change which reference is nearest
        distance = flat.square().sum(1) - 2 * coarse(windows) @ flat.T
        if starts is not None:
            after = starts[:, None] - self.starts
            excluded = after.abs() < self.window
            if self.later:
                excluded[:, -self.later :] = after[:, -self.later :] < REST * self.window
            distance = distance.masked_fill(excluded, torch.inf)
        return distance

    def distinct_neighbours(self, count: int) -> torch.Tensor:
        """Return the ``count`` nearest references of each reference, int64 [count, R], nearest first.

        They overlap neither the reference nor each other. If there are fewer, the last one is repeated.
        """
        parts = [
            self._distinct(self.windows[i : i + CHUNK], self.starts[i : i + CHUNK], count)
            for i in range(0, len(self.windows), CHUNK)
        ]
        return torch.cat(parts, dim=1)

    def _distinct(self, windows: torch.Tensor, starts: torch.Tensor, count: int) -> torch.Tensor:
        distance = self._distance(windows, starts)
        nearest = [distance.argmin(1)]
        while len(nearest) < count:
            overlap = (self.starts[nearest[-1]][:, None] - self.starts).abs() < self.window
            distance = distance.masked_fill(overlap, torch.inf)
            least, index = distance.min(1)
            nearest.append(torch.where(least.isfinite(), index, nearest[-1]))
        return torch.stack(nearest)


def _continued(own: Segments, others: Segments, end: int) -> list[tuple[int, int]]:
    """Return the segments of a series that has its own ones before ``end``, and those of ``others`` from there on."""
    after = clip(others, end, max(last for _, last in others))
    if own[-1][1] == end and any(first < end < last for first, last in others):
        return [*own[:-1], (own[-1][0], after[0][1]), *after[1:]]
    return [*own, *after]
