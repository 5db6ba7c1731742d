"""The windows of one time scale in a stretch without a gap: when they are complete, what is read off them, and sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ape.core.threads import one_thread
from ape.posttrain.discriminator.evidence import Reader
from ape.posttrain.discriminator.network import ROWS
from ape.posttrain.discriminator.search import Search

STEPS = 4  # windows that cover a cell; the grid has a start every window / 4 cells
WIDE, FEWER = 48, 2  # the same for more channels than 48, since every window costs as many times as much
BATCH = 32  # windows that are compared at once; a window's row is its number modulo this, whatever has arrived


def settle_all(scales: Sequence[Windows], samples: Samples) -> None:
    """Read the windows of all scales that became complete, side by side if there are many.

    Operations on one batch are too short to be divided among the threads of torch, so that each scale gets one thread.
    """
    if torch.get_num_threads() == 1 or samples.raw.device.type != "cpu" or scales[0].due(samples.length) < BATCH:
        for scale in scales:
            scale.settle(samples)
        return
    with one_thread() as threads, ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda scale: scale.settle(samples), scales))


def steps_for(channels: int) -> int:
    """Return how many windows cover a cell of a series with so many channels."""
    return FEWER if channels > WIDE else STEPS


class Samples(NamedTuple):
    """Samples of a stretch; those before ``first`` are not kept any more.

    Parameters
    ----------
    raw, standard : Tensor, float32 [C, m]
        Data units, and standardised.
    suspect : Tensor, bool [m]
        Which samples no reference covers.
    first : int
    """

    raw: Tensor
    standard: Tensor
    suspect: Tensor
    first: int = 0

    @property
    def length(self) -> int:
        """Samples of the stretch so far."""
        return self.first + len(self.suspect)

    def append(self, more: Samples) -> Samples:
        """Return all samples."""
        raw, standard, suspect = (torch.cat(pair, -1) for pair in zip(self[:3], more[:3], strict=True))
        return Samples(raw, standard, suspect, self.first)

    def since(self, first: int) -> Samples:
        """Return the samples from ``first`` on."""
        drop = max(0, first - self.first)
        return Samples(self.raw[:, drop:], self.standard[:, drop:], self.suspect[drop:], self.first + drop)


class Windows:
    """Windows of a stretch at one time scale.

    Parameters
    ----------
    search : Search
    reader : Reader
    begin : int
        Cell of the search at which the stretch begins.
    position : int or None
        Sample of the training part at which the stretch begins, or follows it; None if it lies elsewhere.
    before : int
        Samples at the begin of the stretch; windows that end before them are left out.
    """

    def __init__(self, search: Search, reader: Reader, begin: int, position: int | None, before: int = 0) -> None:
        self.search, self.reader, self.begin, self.position = search, reader, begin, position
        self.factor, self.window = search.factor, search.window
        self.steps = steps_for(len(search.cells))
        self.stride = self.window // self.steps
        self.done = self.block = self.complete(before)  # windows that are read; first stride that `sums` holds
        # [strides, cells in a stride, C, V]
        self.sums = search.cells.new_zeros(0, self.stride, len(search.cells), reader.voices)

    @property
    def span(self) -> int:
        """Samples in a window."""
        return self.window * self.factor

    @property
    def step(self) -> int:
        """Samples between starts."""
        return self.stride * self.factor

    def complete(self, length: int) -> int:
        """Return how many windows are complete in a stretch of ``length`` samples."""
        return max(0, (length // self.factor - self.window) // self.stride + 1)

    def due(self, length: int) -> int:
        """Return how many windows are complete, but not read yet."""
        return self.complete(length) - self.done

    def final(self, length: int) -> int:
        """Return up to which sample all windows are complete."""
        return self.complete(length) * self.step

    @torch.no_grad()  # of the thread
    def settle(self, samples: Samples) -> None:
        """Read the windows that became complete."""
        for voices in self._batches(samples):
            self._add(voices)

    def mean(self, points: range) -> Tensor:
        """Return the mean of the windows that are read at some points, [m, C, V]."""
        sums, count = self._at(points.start // self.factor, -(-points.stop // self.factor))
        return self._spread(sums / count[:, None, None], points)

    def provisional(self, samples: Samples, points: range) -> Tensor:
        """Return the mean at the newest points, [m, C, V]: of complete windows, and of the one that ends there.

        Samples of an incomplete cell get the value of the cell before them.
        """
        cells = samples.length // self.factor
        first = min(points.start // self.factor, cells - 1)
        at = torch.tensor([cells - self.window], device=samples.raw.device)
        edge = self._read(samples, at * self.factor, self.begin + at, range(1))[0][first - cells :]
        sums, count = self._at(first, cells)
        before = len(sums) - len(edge)
        sums = torch.cat([sums[:before], sums[before:] + edge])
        count = count + (torch.arange(len(sums), device=count.device) >= before)
        return self._spread(sums / count[:, None, None], points)

    def forget(self, points: int, length: int) -> int:
        """Forget sums before a point; return the first sample that is needed later."""
        drop = min(points // self.step, self.done) - self.block
        if drop > 0:
            self.sums, self.block = self.sums[drop:].clone(), self.block + drop
        self.search.forget(self.begin + self.done // BATCH * BATCH * self.stride)
        return min(self.done * self.step, (length // self.factor - self.window) * self.factor)

    def _batches(self, samples: Samples) -> Iterator[Tensor]:
        """Yield the voices of windows that are complete and not read yet, [m, cells, C, V]."""
        done, total = self.done, self.complete(samples.length)
        for first in range(done // BATCH * BATCH, total if total > done else 0, BATCH):
            number = torch.arange(first, first + BATCH, device=samples.raw.device)
            rows = range(max(first, done) - first, min(first + BATCH, total) - first)
            yield self._read(samples, number * self.step, self.begin + number * self.stride, rows)

    def _read(self, samples: Samples, at: Tensor, start: Tensor, rows: range) -> Tensor:
        """Read some rows of a batch of windows from samples ``at`` [B], cells ``start``; voices [m, cells, C, V].

        The other rows are empty. They keep the shape of the batch, on which roundings depend.
        """
        chosen = slice(rows.start, rows.stop)
        standard = self._filled(samples.standard, at - samples.first, chosen)
        raw = None if self.reader.backbone is None else self._filled(samples.raw, at - samples.first, chosen)
        seen = self.search.inputs(standard, start, None if self.position is None else self.position + at)
        size = max(1, ROWS // seen.shape[1]) if seen.device.type == "cpu" else BATCH
        first = rows.start // size * size
        parts = [
            self.reader.read(seen[i : i + size], None if raw is None else raw[i : i + size], self.factor)
            for i in range(first, rows.stop, size)
        ]
        return torch.cat(parts)[rows.start - first : rows.stop - first].permute(0, 3, 1, 2)

    def _at(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Return the sums [m, C, V] of the windows that are read, and their counts [m], at cells of the stretch."""
        block = torch.arange(first, last, device=self.sums.device) // self.stride
        before = self.block * self.stride
        sums = self.sums.flatten(0, 1)[first - before : last - before]
        sums = pad(sums, (0, 0, 0, 0, 0, last - first - len(sums)))
        count = block.clamp(max=self.done - 1) - (block - self.steps + 1).clamp(min=0) + 1
        return sums, count.clamp(min=0)

    def _spread(self, cells: Tensor, points: range) -> Tensor:
        """Give points the values of their cells, [m, C, V]; the first cell is that of the first point."""
        if self.factor == 1:
            return cells
        at = torch.arange(points.start, points.stop, device=cells.device) // self.factor - points.start // self.factor
        return cells[at.clamp(max=len(cells) - 1)]

    def _filled(self, values: Tensor, at: Tensor, chosen: slice) -> Tensor:
        """Cut the chosen windows out of values [C, m] at places [B], zeros for the others, [B, C, span]."""
        batch = values.new_zeros(len(at), len(values), self.span)
        batch[chosen] = values.unfold(1, self.span, 1)[:, at[chosen]].transpose(0, 1)
        return batch

    def _add(self, voices: Tensor) -> None:
        """Add windows [m, cells, C, V] that follow those that are read; the sums are in the order of windows."""
        if len(voices) == 0:
            return
        blocks = voices.unflatten(1, (self.steps, self.stride))
        at, count = self.done - self.block, len(voices)
        needed = at + count + self.steps - 1
        if needed > len(self.sums):
            # Room for twice as many, so that sums of a long series are not copied with every batch.
            self.sums = torch.cat([self.sums, self.sums.new_zeros(2 * needed - len(self.sums), *self.sums.shape[1:])])
        for step in reversed(range(self.steps)):
            self.sums[at + step : at + step + count] += blocks[:, step]
        self.done += count
