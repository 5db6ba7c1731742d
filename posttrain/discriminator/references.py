"""Normal reference windows at one time scale, and the search for the nearest ones.

A *cell* is the mean of ``factor`` samples. A window has 128 cells, so a larger factor sees longer anomalies. Every
function works on many series at once: the first axis of a `References` counts series, all with the same number of
channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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


def pooled(samples: Tensor, factor: int) -> Tensor:
    """Average [..., n * factor] over ``factor`` samples, [..., n]; a rest at the end is dropped."""
    return samples[..., : samples.shape[-1] // factor * factor].unflatten(-1, (-1, factor)).mean(-1)


def lagged_others(cells: Tensor) -> Tensor:
    """Return all channels of [B, C, n] at lags -2 to 2, [B, C * 5, n]; the ends are repeated."""
    length = cells.shape[2]
    wide = pad(cells, (LAGS, LAGS), mode="replicate")
    return torch.cat([wide[:, :, lag : lag + length] for lag in range(2 * LAGS + 1)], 1)


def regression(cells: Tensor) -> Tensor:
    """Regress each channel of [G, C, n] on the others at lags -2 to 2; coefficients [G, C, C * 5]."""
    channels, length = cells.shape[1:]
    wide = lagged_others(cells)
    square = torch.einsum("gin,gjn->gij", wide, wide) / length
    product = torch.einsum("gin,gcn->gci", wide, cells) / length
    own = torch.eye(channels, dtype=torch.bool, device=cells.device).repeat(1, 2 * LAGS + 1)  # [C, C * 5]
    kept = (~own).to(square.dtype)
    penalised = square[:, None] * kept[:, :, None] * kept[:, None, :]
    penalised = penalised + torch.diag_embed(RIDGE + own.to(square.dtype))
    return torch.linalg.solve(penalised, (product * kept)[..., None])[..., 0] * kept


class Nearest(NamedTuple):
    """The nearest reference windows of B windows.

    Parameters
    ----------
    joint : Tensor [B, k, C, 128]
        By value, over all channels together; nearest first.
    own : Tensor [B, C, 128]
        By value, for each channel alone.
    shape : Tensor [B, C, 128]
        By shape, for each channel alone, with the level and the amplitude of the window.
    distance : Tensor [B]
        Root mean square difference to the first of ``joint``.
    """

    joint: Tensor
    own: Tensor
    shape: Tensor
    distance: Tensor


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
    """

    cells: Tensor
    trained: int
    factor: int

    @cached_property
    def coefficients(self) -> Tensor:
        """Regression of each channel on the others in the training part, [G, C, C * 5]."""
        return regression(self.cells[:, :, : self.trained].double()).float()

    @cached_property
    def spectrum(self) -> Tensor:
        """Fourier transform of the only series; for several, it is computed for those of a batch."""
        return torch.fft.rfft(self.cells, n=self.fft_length)

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
        windows : Tensor, float32 [B, C, 128]
            Standardised cells.
        group : Tensor, int64 [B]
            The series of each window.
        allowed : Tensor, bool [B, n - 127]
            Where a reference may start.
        """
        cells, spectrum = self.take(group)
        length = cells.shape[2] - WINDOW + 1
        product = torch.fft.rfft(windows, n=self.fft_length).conj() * spectrum
        product = torch.fft.irfft(product, n=self.fft_length)[..., :length]
        total, square = _rolling_sums(self.cells)
        total, square = (x.expand(len(group), -1, -1) if len(x) == 1 else x[group] for x in (total, square))
        own = (windows.square().sum(2, keepdim=True) + square - 2 * product).clamp(min=0)
        barred = ~allowed
        joint = own.sum(1).masked_fill(barred, torch.inf)
        mean, spread = windows.mean(2, keepdim=True), windows.std(2, keepdim=True, correction=0)
        means = total / WINDOW
        spreads = (square / WINDOW - means.square()).clamp(min=0).sqrt()
        shared = product / WINDOW - mean * means
        width, widths = spread.clamp(min=FLAT), spreads.clamp(min=FLAT)
        shape = (spreads / widths).square() - 2 * shared / (width * widths)
        best_own = own.masked_fill(barred[:, None], torch.inf).argmin(2)
        best_shape = shape.masked_fill(barred[:, None], torch.inf).argmin(2)
        least, best_joint = _distinct_minima(joint)
        likeness = _windows_at(cells, best_shape)
        gain = spread / _picked(widths, best_shape)
        aligned = mean + gain * (likeness - _picked(means, best_shape))
        joint_windows = torch.stack([_windows_at(cells, column[:, None]) for column in best_joint.T], 1)
        distance = (least[:, 0] / (WINDOW * windows.shape[1])).sqrt()
        return Nearest(joint_windows, _windows_at(cells, best_own), aligned, distance)

    def regression_residual(self, windows: Tensor, group: Tensor) -> Tensor:
        """Return the residual of windows [B, C, 128] on the other channels."""
        coefficients = self.coefficients[group] if len(self.coefficients) > 1 else self.coefficients
        return windows - coefficients.expand(len(windows), -1, -1) @ lagged_others(windows)


def _rolling_sums(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum and the sum of squares of every window of [G, C, n], [G, C, n - 127]."""
    sums = []
    for values in (cells, cells.square()):
        total = pad(values.double().cumsum(2), (1, 0))
        sums.append((total[:, :, WINDOW:] - total[:, :, :-WINDOW]).float())
    return sums[0], sums[1]


def _distinct_minima(distance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest values of [B, m] in different blocks and their places, [B, k] each."""
    blocks = pad(distance, (0, -distance.shape[1] % BLOCK), value=torch.inf).unflatten(1, (-1, BLOCK))
    least, at = blocks.min(2)
    values, block = least.topk(min(NEIGHBOURS, least.shape[1]), dim=1, largest=False)
    place = block * BLOCK + at.gather(1, block)
    finite = values.isfinite()
    return torch.where(finite, values, values[:, :1]), torch.where(finite, place, place[:, :1])


def _windows_at(cells: Tensor, place: Tensor) -> Tensor:
    """Cut windows out of [B, C, n] at places [B, C] or [B, 1], [B, C, 128]."""
    index = place[:, :, None] + torch.arange(WINDOW, device=cells.device)
    return cells.gather(2, index.expand(-1, cells.shape[1], -1))


def _picked(values: Tensor, place: Tensor) -> Tensor:
    """Return values [B, C, m] at places [B, C], [B, C, 1]."""
    return values.gather(2, place[:, :, None])
