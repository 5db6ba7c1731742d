"""Score a series that arrives in pieces. The result does not depend on how it is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from ape.posttrain.discriminator.evidence import Evidence, Reader
from ape.posttrain.discriminator.normal import Normal, pooled_any
from ape.posttrain.discriminator.references import pooled
from ape.posttrain.discriminator.search import Search
from ape.posttrain.discriminator.windows import Samples, Windows, settle_all

PIECE = 4096  # points that are scored at once, to save memory

Means = Mapping[int, Tensor | None]


class Stretch:
    """Samples without a gap, and how far they are read.

    Parameters
    ----------
    samples : Samples
        Those that have arrived.
    scales : list of Windows
        One for each factor.
    first : int
        Samples whose evidence is not wanted.
    """

    def __init__(self, samples: Samples, scales: list[Windows], first: int = 0) -> None:
        self.samples, self.scales = samples, scales
        self.first = self.done = first
        self._forget()

    def extend(self, samples: Samples) -> None:
        """Append samples whose cells are references already."""
        self.samples = self.samples.append(samples)

    def append(self, samples: Samples) -> None:
        """Append samples; their cells become references once they are `search.REST` windows old."""
        before = self.samples.length
        self.extend(samples)
        for scale in self.scales:
            # An incomplete cell before them is completed.
            fresh = slice(before // scale.factor * scale.factor - self.samples.first, None)
            cells = pooled(self.samples.standard[:, fresh], scale.factor)
            scale.search.append(cells, pooled_any(self.samples.suspect[fresh], scale.factor), scale.begin)

    def settle(self) -> tuple[range, Means]:
        """Read all complete windows; return the points that became final, and the voices at each factor."""
        settle_all(self.scales, self.samples)
        final = min(scale.final(self.samples.length) for scale in self.scales)
        points = range(self.done, max(self.done, final))
        means = {scale.factor: scale.mean(points) for scale in self.scales}
        self.done = points.stop
        self._forget()
        return points, means

    def provisional(self) -> tuple[range, Means]:
        """Return the points that are not final, and the voices at each factor; None where no window fits."""
        points, length = range(self.done, self.samples.length), self.samples.length
        return points, {
            scale.factor: scale.provisional(self.samples, points) if points and scale.span <= length else None
            for scale in self.scales
        }

    def _forget(self) -> None:
        """Forget the samples that no window needs any more."""
        needed = [scale.forget(self.done, self.samples.length) for scale in self.scales]
        self.samples = self.samples.since(min(needed))


class Scoring:
    """Evidence of a series that arrives in pieces.

    Windows of several time scales start on a grid from the begin of each stretch without a gap. A point is final once
    all windows that cover it are complete. Results are the same bytes however the series is cut into pieces (on a CPU).

    Parameters
    ----------
    reader : Reader
    normal : Normal
        The training part.
    continues : bool
        Whether the series continues the training part without a gap.
    own : bool
        Whether it begins with the training part, all of which is scored: no window is compared with itself.

    Attributes
    ----------
    window : int
        Cells in a window: 128, for short training parts 64 or 32.
    factors : list of int
        Samples in a cell, one for each time scale.
    latency : int
        A point is final at the latest after so many further samples.

    Raises
    ------
    InputError
        The training part is too short.
    """

    def __init__(self, reader: Reader, normal: Normal, continues: bool, own: bool = False) -> None:
        self.reader, self.normal, self.own = reader, normal, own
        self.window, self.factors = normal.scales()
        self.latency = self.window * self.factors[-1]
        self.searches = [Search(normal, factor, self.window) for factor in self.factors]
        self._time = 0  # of the first sample of the open stretch
        self._open = self._continued() if continues else self._fresh()

    @torch.no_grad()
    def trained(self) -> Iterator[Evidence]:
        """Yield the evidence of the samples in the segments of the training part, in order and in pieces."""
        cells = dict.fromkeys(self.factors, 0)
        for begin, end in self.normal.segments:
            scales = [Windows(search, self.reader, cells[search.factor], begin) for search in self.searches]
            stretch = Stretch(self._samples(self.normal.values[:0]), scales)
            for first in range(begin, end, PIECE):
                stretch.extend(self._samples(self.normal.values[first : min(first + PIECE, end)]))
                yield self._evidence(*stretch.settle(), begin)
            yield self._evidence(*stretch.provisional(), begin, end)
            cells = {factor: cell + (end - begin) // factor for factor, cell in cells.items()}

    @torch.no_grad()
    def add(self, values: np.ndarray, gap: bool = False, missing: np.ndarray | None = None) -> Evidence:
        """Append samples and return the evidence of the points that became final, in order.

        Parameters
        ----------
        values : ndarray, float32 [m, C]
            Data units.
        gap : bool
            Whether samples are missing before these. Then the points before the gap that are not final yet are
            returned first, with their age, since nothing more can be said of them.
        missing : ndarray, bool [m], optional
            Samples that were filled in. They are scored, but no reference covers them.
        """
        parts = []
        if gap:
            parts.append(self.newest())
            self._time += self._open.samples.length - self._open.first
            self._open = self._fresh()
        self._open.append(self._samples(values, missing))
        parts.append(self._evidence(*self._open.settle(), self._time - self._open.first))
        return Evidence.joined(parts)

    @torch.no_grad()
    def newest(self) -> Evidence:
        """Return the provisional evidence of the points that are not final, in order, with their ages."""
        end = self._time - self._open.first + self._open.samples.length
        return self._evidence(*self._open.provisional(), self._time - self._open.first, end)

    def _evidence(self, points: range, means: Means, offset: int, end: int | None = None) -> Evidence:
        """Return the evidence of points of a stretch from ``offset`` on; provisional if it ends at ``end``."""
        time = torch.arange(points.start, points.stop) + offset
        age = torch.full_like(time, self.latency) if end is None else end - 1 - time
        return self.reader.evidence(means, time, age)

    def _samples(self, values: np.ndarray, missing: np.ndarray | None = None) -> Samples:
        device = self.normal.centre.device
        raw = torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float32)).to(device)
        suspect = np.zeros(len(values), dtype=bool) if missing is None else missing
        return Samples(raw, self.normal.standard(values), torch.from_numpy(suspect).to(device))

    def _fresh(self) -> Stretch:
        """Begin a stretch after all samples so far."""
        position = self._time if self.own else None
        scales = [Windows(search, self.reader, search.length, position) for search in self.searches]
        return Stretch(self._samples(self.normal.values[:0]), scales)

    def _continued(self) -> Stretch:
        """Continue the last segment of the training part."""
        begin, end = self.normal.segments[-1]
        samples = self._samples(self.normal.values[begin:end], self.normal.suspicious[begin:end])
        scales = [
            Windows(search, self.reader, search.trained - samples.length // search.factor, begin, samples.length)
            for search in self.searches
        ]
        return Stretch(samples, scales, samples.length)
