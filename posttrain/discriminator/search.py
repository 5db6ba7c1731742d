"""The references of one series at one time scale, which grow as it arrives, and the search for the nearest ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ape.posttrain.discriminator.inputs import Usual, inputs_of, measure_usual
from ape.posttrain.discriminator.normal import Normal, unmarked
from ape.posttrain.discriminator.references import Moments, Nearest, References, distinct_minima, pooled, smallest
from ape.series.coverage import MOST

REST = 10  # windows until a scored window becomes a reference, so that a long anomaly cannot match itself
# References that are compared at once, a power of 2: fewer with many channels, so that they fit into the cache. Their
# number does not depend on the length of the series, so that results do not either.
FEWEST, PLACES = 256, 2048
CHANNEL_PLACES = 1 << 15
LEAST_SCORED = 8192  # references of the scored series at least, so that it can become normal


class Search:
    """Cells of the training part, followed by those of the scored series, and what windows look like among them.

    Results do not depend on cells that a window must not see: places are compared in blocks of a constant size, and
    cells that have not arrived count as zeros.

    Parameters
    ----------
    normal : Normal
    factor, window : int
        Samples in a cell, cells in a window.
    """

    def __init__(self, normal: Normal, factor: int, window: int) -> None:
        self.factor, self.window = factor, window
        fitting = max(FEWEST, CHANNEL_PLACES // len(normal.centre))
        self.places = min(PLACES, 1 << (fitting.bit_length() - 1))
        trained, free = normal.cells(factor), normal.places(factor, window)
        self.length = self.trained = trained.shape[1]
        self.scored = max(LEAST_SCORED, MOST - self.trained)  # references of the scored series at most: the newest
        # Cells of the scored series that are not stored any more: blocks of places from `kept` on.
        self.kept, self.dropped = -(-self.trained // self.places) * self.places, 0
        self.cells, self.suspect, self.origin = trained, normal.suspect(factor), normal.origin(factor)
        self.free = pad(free, (0, self.length - len(free)))  # where references may start
        self._grow(0)
        self.training = References(trained[None], self.trained, factor, window)
        self.usual: Usual = measure_usual(normal.typical()[None], self.training, free)
        self._moments: dict[int, tuple[int, Moments]] = {}

    def _grow(self, more: int) -> None:
        """Make room for more cells and for the last block."""
        stored = self.length - self.dropped
        needed = stored + more + 2 * self.places + self.window
        if needed > self.cells.shape[1]:
            room = max(needed, 2 * stored) - stored
            self.cells = pad(self.cells[:, :stored], (0, room))
            self.suspect, self.free = (pad(x[:stored], (0, room)) for x in (self.suspect, self.free))

    def append(self, cells: Tensor, suspect: Tensor, begin: int) -> None:
        """Append cells [C, m] of a stretch that began at cell ``begin``; no reference covers suspect ones, bool [m]."""
        self._grow(cells.shape[1])
        before, self.length = self.length - self.dropped, self.length + cells.shape[1]
        stored = self.length - self.dropped
        self.cells[:, before:stored] = cells
        self.suspect[before:stored] = suspect
        first = max(begin - self.dropped, before - self.window + 1)
        free = unmarked(self.suspect[first:stored], self.window)
        self.free[first : first + len(free)] = free

    def forget(self, start: int) -> None:
        """Forget cells that are too old to be references of windows that start at a cell ``start`` or later."""
        drop = self._unused(start - self.dropped)
        if drop == 0:
            return
        self.cells = torch.cat([self.cells[:, : self.kept], self.cells[:, self.kept + drop :]], 1)
        self.suspect, self.free = (
            torch.cat([x[: self.kept], x[self.kept + drop :]]) for x in (self.suspect, self.free)
        )
        self._moments = {
            first if first < self.kept else first - drop: moments
            for first, moments in self._moments.items()
            if not self.kept <= first < self.kept + drop
        }
        self.dropped += drop

    def _unused(self, start: int) -> int:
        """Return how many stored cells from `kept` on are too old for a window at a stored cell, whole blocks."""
        oldest = start - REST * self.window - self.scored
        return max(0, oldest - self.kept) // self.places * self.places

    def inputs(self, samples: Tensor, start: Tensor, position: Tensor | None = None) -> Tensor:
        """Return the inputs of the network, [B, C, 19, window].

        Parameters
        ----------
        samples : Tensor, float32 [B, C, window * factor]
            Standardised windows.
        start : Tensor, int64 [B]
            The cells at which they start, in order.
        position : Tensor, int64 [B], optional
            The samples of the training part at which they start; None if they lie elsewhere.
        """
        cells, group = pooled(samples, self.factor), torch.zeros_like(start)
        near = self.nearest(cells, start, position)
        residual = self.training.regression_residual(cells, group)
        return inputs_of(samples, near, residual, self.usual.take(group), self.factor)

    def nearest(self, windows: Tensor, start: Tensor, position: Tensor | None = None) -> Nearest:
        """Find the nearest reference windows of [B, C, window]: of the training part those that do not overlap.

        Of the scored series, those that start `REST` windows earlier, and not longer ago than `MOST` allows.
        """
        start = start - self.dropped
        # The last windows of a batch may not have arrived; nothing is compared with what follows the last cell.
        arrived = min(int(start[-1]) - REST * self.window, self.length - self.dropped - self.window)
        last = max(self.trained - self.window, arrived)
        mean, spread = windows.mean(2).T[..., None], windows.std(2, correction=0).T[..., None]  # [C, B, 1]
        centred = windows.transpose(0, 1).contiguous() - mean
        joint, values, at = [], [], []
        unused = self._unused(int(start[0]))
        for first in (
            *range(0, min(last + 1, self.kept), self.places),
            *range(self.kept + unused, last + 1, self.places),
        ):
            moments, views = self._block(first)
            own, shape = moments.compare(centred @ views, mean, spread, self.window)
            barred = torch.where(self._allowed(first, start, position), 0.0, torch.inf)
            joint.append(own.sum(0).add_(barred))
            value, place = smallest(torch.stack([own, shape]).add_(barred))
            values.append(value)
            at.append(place + first)
        best = torch.stack(values).argmin(0)
        best_own, best_shape = torch.stack(at).gather(0, best[None])[0].transpose(1, 2)
        cells = self.cells.expand(len(windows), -1, -1)
        several = distinct_minima(torch.cat(joint, 1))
        return Nearest.at(windows, cells, several + unused * (several >= self.kept), best_own, best_shape)

    def _allowed(self, first: int, start: Tensor, position: Tensor | None) -> Tensor:
        """Return where references may start in a block of places, bool [B, places] or the same for all, [places]."""
        last, free = first + self.places - 1, self.free[first : first + self.places]
        trained = last + self.window <= self.trained
        if trained and not self._overlaps(first, last, position):
            return free
        if self.trained < first + self.window and last <= int(start[0]) - REST * self.window:
            return free
        place = torch.arange(first, last + 1, device=start.device)
        apart = torch.ones_like(free)
        if position is not None:
            origin = self.origin[place.clamp(max=self.trained - 1)]
            apart = (origin - position[:, None]).abs() >= self.window * self.factor
        earlier = place <= start[:, None] - REST * self.window
        return torch.where(place + self.window <= self.trained, apart, earlier) & free

    def _overlaps(self, first: int, last: int, position: Tensor | None) -> bool:
        """Return whether windows may overlap references of the training part at some places."""
        if position is None:
            return False
        span, (begin, end) = self.window * self.factor, self.origin[[first, last]].tolist()
        return bool(begin - span < int(position[-1]) and int(position[0]) < end + span)

    def _block(self, first: int) -> tuple[Moments, Tensor]:
        """Return the moments [C, 1, places] and the windows [C, window, places] at a block of places."""
        cells = self.cells[:, first : first + self.places + self.window - 1].contiguous()
        size, moments = self._moments.get(first, (0, None))
        filled = min(self.length - self.dropped - first, cells.shape[1])
        if moments is None or size != filled:
            moments = Moments.of(cells[:, None], self.window)
            self._moments[first] = filled, moments
        views = cells.as_strided((len(cells), self.window, self.places), (cells.shape[1], 1, 1)).contiguous()
        return moments, views
