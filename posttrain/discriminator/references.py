"""Normal reference windows at one time scale, and the search for the nearest ones.

A *cell* is the mean of ``factor`` samples. A window has 128 cells, or fewer where data are short; a larger factor sees
longer anomalies. Every function works on many series at once: the first axis of a `References` counts series, all with
the same number of channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

WINDOW = 128  # cells
NEIGHBOURS = 4  # windows that span the envelope
BLOCK = 32  # cells; two neighbours of the envelope come from different blocks
FLAT = 0.1  # smallest standard deviation by which a shape is divided, in standard deviations of the series
LARGEST = 50.0  # standard deviations; larger values are cut off
LAGS = 2  # cells on either side at which the regression sees the other channels
RIDGE = 1e-2  # penalty, as a share of the variance
OTHERS = 16  # channels that the regression of one of many sees


def pooled(samples: Tensor, factor: int) -> Tensor:
    """Average [..., n * factor] over ``factor`` samples, [..., n]; a rest at the end is dropped."""
    parts = samples[..., : samples.shape[-1] // factor * factor].unflatten(-1, (-1, factor)).unbind(-1)
    # One sum after the other, so that a cell does not depend on how many there are.
    return reduce(torch.add, parts) / factor


def lagged_others(cells: Tensor) -> Tensor:
    """Return all channels of [B, C, n] at lags -2 to 2, [B, C * 5, n]; the ends are repeated."""
    length = cells.shape[2]
    wide = pad(cells, (LAGS, LAGS), mode="replicate")
    return torch.cat([wide[:, :, lag : lag + length] for lag in range(2 * LAGS + 1)], 1)


def regression(cells: Tensor) -> Tensor:
    """Regress each channel of [G, C, n] on the others at lags -2 to 2; coefficients [G, C, C * 5].

    Of many channels, the `OTHERS` that correlate most with it: on all of them, noise would explain much of a channel.
    """
    channels, length = cells.shape[1:]
    if channels > OTHERS + 1:
        return torch.stack([_regression_on_some(each) for each in cells])
    wide = lagged_others(cells)
    square = torch.einsum("gin,gjn->gij", wide, wide) / length
    product = torch.einsum("gin,gcn->gci", wide, cells) / length
    own = torch.eye(channels, dtype=torch.bool, device=cells.device).repeat(1, 2 * LAGS + 1)  # [C, C * 5]
    kept = (~own).to(square.dtype)
    penalised = square[:, None] * kept[:, :, None] * kept[:, None, :]
    penalised = penalised + torch.diag_embed(RIDGE + own.to(square.dtype))
    return torch.linalg.solve(penalised, (product * kept)[..., None])[..., 0] * kept


def _regression_on_some(cells: Tensor) -> Tensor:
    """Regress each channel of [C, n] on those that correlate most with it at any of the lags; others are 0."""
    channels, length = cells.shape
    apart = cells - cells.mean(1, keepdim=True)
    size = apart.square().sum(1).sqrt().clamp(min=1e-9)
    apart = apart / size[:, None]
    products = [(apart[:, lag:] @ apart[:, : length - lag].T).abs() for lag in range(LAGS + 1)]
    close = torch.stack([each for product in products for each in (product, product.T)]).amax(0).fill_diagonal_(-1.0)
    others = close.topk(OTHERS, dim=1).indices  # [C, OTHERS]
    coefficients = cells.new_zeros(channels, 2 * LAGS + 1, channels)
    for channel in range(channels):
        wide = lagged_others(cells[None, others[channel]])[0]
        square = wide @ wide.T / length + RIDGE * torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
        solved = torch.linalg.solve(square, wide @ cells[channel] / length)
        coefficients[channel][:, others[channel]] = solved.unflatten(0, (2 * LAGS + 1, -1))
    return coefficients.flatten(1)


class Moments(NamedTuple):
    """Mean and standard deviation of all windows of cells, [..., C, places] each."""

    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, cells: Tensor, window: int) -> Moments:
        """Measure the windows of [..., C, n]."""
        sums = [pad(values.cumsum(-1), (1, 0)) for values in (cells.double(), cells.double().square())]
        mean, square = ((total[..., window:] - total[..., :-window]) / window for total in sums)
        return cls(mean.float(), (square - mean.square()).clamp(min=0).sqrt().float())

    def compare(self, product: Tensor, mean: Tensor, spread: Tensor, window: int) -> tuple[Tensor, Tensor]:
        """Compare windows with all places by value and by shape, up to what is the same for all places.

        Parameters
        ----------
        product : Tensor, broadcast with the moments
            Of the windows less their mean with the cells at each place.
        mean, spread : Tensor
            Of the windows.

        Returns
        -------
        own, shape : Tensor
            The smaller, the nearer; ``own`` is a sum of squared differences.
        """
        widths = self.spread.clamp(min=FLAT)
        off = self.mean - mean
        own = torch.addcmul(window * self.spread.square(), off, off, value=window).sub_(product, alpha=2)
        shape = (self.spread / widths).square() * spread.clamp(min=FLAT)
        return own, shape.addcmul_(product, -2 / (window * widths))


class Nearest(NamedTuple):
    """The nearest reference windows of B windows.

    Parameters
    ----------
    joint : Tensor [B, k, C, window]
        By value, over all channels together; nearest first.
    own : Tensor [B, C, window]
        By value, for each channel alone.
    shape : Tensor [B, C, window]
        By shape, for each channel alone, with the level and the amplitude of the window.
    distance : Tensor [B]
        Root mean square difference to the first of ``joint``.
    """

    joint: Tensor
    own: Tensor
    shape: Tensor
    distance: Tensor

    @classmethod
    def at(cls, windows: Tensor, cells: Tensor, joint: Tensor, own: Tensor, shape: Tensor) -> Nearest:
        """Cut them out of cells [B, C, n] at places [B, k], [B, C] and [B, C]."""
        length = windows.shape[2]
        likeness = _windows_at(cells, shape, length)
        gain = _spread(windows) / _spread(likeness).clamp(min=FLAT)
        aligned = windows.mean(2, keepdim=True) + gain * (likeness - likeness.mean(2, keepdim=True))
        nearest = torch.stack([_windows_at(cells, column[:, None], length) for column in joint.T], 1)
        distance = (windows - nearest[:, 0]).square().mean((1, 2)).sqrt()
        return cls(nearest, _windows_at(cells, own, length), aligned, distance)


@dataclass(frozen=True)
class References:
    """Standardised normal series to compare windows with.

    Parameters
    ----------
    cells : Tensor, float32 [G, C, n]
        Standardised.
    trained : int
        Cells of the training part, at the beginning.
    factor : int
        Samples in a cell.
    window : int
        Cells in a window.
    """

    cells: Tensor
    trained: int
    factor: int
    window: int = WINDOW

    @cached_property
    def coefficients(self) -> Tensor:
        """Regression of each channel on the others in the training part, [G, C, C * 5]."""
        return regression(self.cells[:, :, : self.trained].double()).float()

    @cached_property
    def spectrum(self) -> Tensor:
        """Fourier transform of the only series; for several, it is computed for those of a batch."""
        return torch.fft.rfft(self.cells, n=self.fft_length)

    @cached_property
    def moments(self) -> Moments:
        """Moments of the only series."""
        return Moments.of(self.cells, self.window)

    @property
    def fft_length(self) -> int:
        """A length at which Fourier transforms are fast."""
        return 1 << (self.cells.shape[2] - 1).bit_length()

    def take(self, group: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cells and the spectrum of some groups, [B, C, n]; without copying if there is only one group."""
        if len(self.cells) == 1:
            return self.cells.expand(len(group), -1, -1), self.spectrum
        cells = self.cells[group]
        return cells, torch.fft.rfft(cells, n=self.fft_length)

    def nearest(self, windows: Tensor, group: Tensor, allowed: Tensor) -> Nearest:
        """Find the nearest reference windows by Fourier transform.

        Parameters
        ----------
        windows : Tensor, float32 [B, C, window]
            Standardised cells.
        group : Tensor, int64 [B]
            The series of each window.
        allowed : Tensor, bool [B, n - window + 1]
            Where a reference may start.
        """
        cells, spectrum = self.take(group)
        mean = windows.mean(2, keepdim=True)
        product = torch.fft.rfft(windows - mean, n=self.fft_length).conj() * spectrum
        product = torch.fft.irfft(product, n=self.fft_length)[..., : cells.shape[2] - self.window + 1]
        moments = self.moments if len(self.cells) == 1 else Moments.of(cells, self.window)
        own, shape = moments.compare(product, mean, windows.std(2, keepdim=True, correction=0), self.window)
        barred = ~allowed
        joint = own.sum(1).masked_fill(barred, torch.inf)
        best_own = own.masked_fill(barred[:, None], torch.inf).argmin(2)
        best_shape = shape.masked_fill(barred[:, None], torch.inf).argmin(2)
        return Nearest.at(windows, cells, distinct_minima(joint), best_own, best_shape)

    def regression_residual(self, windows: Tensor, group: Tensor) -> Tensor:
        """Return the residual of windows [B, C, window] on the other channels."""
        coefficients = self.coefficients[group] if len(self.coefficients) > 1 else self.coefficients
        return windows - coefficients.expand(windows.shape[0], -1, -1) @ lagged_others(windows)


def smallest(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest of [..., m] and their places, [...] each; m is a multiple of 32.

    In two steps, because a minimum without its place is many times as fast as one with it.
    """
    blocks = values.unflatten(-1, (-1, BLOCK))
    least, block = blocks.amin(-1).min(-1)
    inside = blocks.gather(-2, block[..., None, None].expand(*block.shape, 1, BLOCK))[..., 0, :].argmin(-1)
    return least, block * BLOCK + inside


def distinct_minima(distance: Tensor) -> Tensor:
    """Return the places of the smallest values of [B, m] in different blocks, [B, k]; the first again if too few."""
    if rest := -distance.shape[1] % BLOCK:  # `pad` copies in any case
        distance = pad(distance, (0, rest), value=torch.inf)
    blocks = distance.unflatten(1, (-1, BLOCK))
    values, block = blocks.amin(2).topk(min(NEIGHBOURS, blocks.shape[1]), dim=1, largest=False)
    inside = blocks.gather(1, block[:, :, None].expand(-1, -1, BLOCK)).argmin(2)
    place = block * BLOCK + inside
    return torch.where(values.isfinite(), place, place[:, :1])


def _windows_at(cells: Tensor, place: Tensor, length: int) -> Tensor:
    """Cut windows out of [B, C, n] at places [B, C] or [B, 1], [B, C, length]."""
    index = place[:, :, None] + torch.arange(length, device=cells.device)
    return cells.gather(2, index.expand(-1, cells.shape[1], -1))


def _spread(windows: Tensor) -> Tensor:
    return windows.std(2, keepdim=True, correction=0)
