"""What a trained backbone makes of a window, as inputs of the rule discriminator: its residual and its latent.

A window is covered by tiles of the backbone's length, so nothing depends on what lies outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ape.core.out_of_memory import BatchSize
from ape.detectors import Detector, WindowedDetector
from ape.detectors.training import seeded
from ape.posttrain.normal_part import NormalPart
from ape.series.windows import sliding, spaced_starts, usable

COMPONENTS = 4  # principal directions of normal latents
BACKBONE_INPUTS = 2 + COMPONENTS + 1  # residual: mean and largest; latent: along the components and off them
TILES = 256  # in one pass of the backbone
MEASURED = 384  # normal tiles that the statistics come from
DRAWING = Lock()
LEAST = 1e-4  # smallest usual size; the backbone's units are standard deviations


@dataclass(frozen=True)
class BackboneStatistics:
    """What residuals and latents of normal tiles are like.

    Parameters
    ----------
    size : Tensor [C, L]
        Root mean square of the residual at each place of a tile, standardised.
    centre : Tensor [D]
        Mean latent.
    components : Tensor [D, 4]
        Principal directions of latents, divided by the deviation along them; zero if there are fewer.
    directions : Tensor [D, 4]
        The same, as unit vectors.
    off : Tensor []
        Root mean square distance of a latent from the plane of the components.
    """

    size: Tensor
    centre: Tensor
    components: Tensor
    directions: Tensor
    off: Tensor

    @classmethod
    @torch.no_grad()
    def fit(cls, detector: Detector, normal: NormalPart) -> Self | None:
        """Measure a backbone on a normal part; None if no tile fits into one of its clean stretches."""
        length, clean = detector.window, usable(normal.clean, detector.window)
        if not clean:
            return None
        starts = spaced_starts(clean, length, MEASURED)
        tiles = torch.from_numpy(np.ascontiguousarray(sliding(normal.values, length)[starts]))
        residual, latent = passed(detector, tiles.to(detector.shift_and_scale[0].device))
        centre = latent.mean(0)
        apart = (latent - centre).double()
        _, spread, rows = torch.linalg.svd(apart, full_matrices=False)
        directions = torch.zeros(latent.shape[1], COMPONENTS, dtype=torch.float64, device=latent.device)
        count = min(COMPONENTS, int((spread > 1e-6 * spread[0].clamp(min=1e-12)).sum()))
        directions[:, :count] = rows[:count].T
        deviation = torch.ones(COMPONENTS, dtype=torch.float64, device=latent.device)
        deviation[:count] = spread[:count] / len(tiles) ** 0.5
        off = (apart - apart @ directions @ directions.T).square().sum(1).mean().sqrt()
        return cls(
            size=residual.square().mean(0).sqrt().clamp(min=LEAST),
            centre=centre,
            components=(directions / deviation).float(),
            directions=directions.float(),
            off=off.float().clamp(min=LEAST),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, to be saved."""
        return dict(vars(self))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Restore what `tensors` returned."""
        return cls(**tensors)

    def to(self, device: torch.device | str) -> Self:
        """Return a copy on a device."""
        return type(self)(**{name: tensor.to(device) for name, tensor in vars(self).items()})


Passed = Callable[[Detector, Tensor], tuple[Tensor, Tensor]]


def backbone_inputs(
    detector: Detector, statistics: BackboneStatistics, windows: Tensor, factor: int, through: Passed | None = None
) -> Tensor:
    """Return what a backbone makes of windows, differentiable in its parameters.

    Parameters
    ----------
    detector : Detector
        In evaluation mode.
    statistics : BackboneStatistics
    windows : Tensor, float32 [B, C, W * factor]
        Data units.
    factor : int
        Samples in a cell.
    through : callable, optional
        Gives the standardised residual and the latent of tiles; default: `passed`.

    Returns
    -------
    Tensor [B, C, 7, W]
        Residual of each cell (mean, largest size), relative to its usual size; the latent of its tile along four
        principal directions, and how far off them it is. Zero if the window is shorter than the backbone's.
    """
    count, channels, total = windows.shape
    length = detector.window
    if length > total:
        return windows.new_zeros(count, channels, BACKBONE_INPUTS, total // factor)
    whole, rest = divmod(total, length)
    tiles = windows.unfold(2, length, length)
    if rest:
        tiles = torch.cat([tiles, windows[:, :, None, -length:]], 2)  # the last tile ends where the window does
    residual, latent = (through or passed)(detector, tiles.transpose(1, 2).flatten(0, 1))
    residual = torch.asinh(residual / statistics.size).unflatten(0, (count, -1)).transpose(1, 2)  # [B, C, tiles, L]
    residual = _covering(residual, whole, rest).unflatten(2, (-1, factor))
    along = torch.asinh((latent - statistics.centre) @ statistics.components)
    apart = latent - statistics.centre
    off = apart - apart @ statistics.directions @ statistics.directions.T
    off = torch.log((off.square().sum(1, keepdim=True) + statistics.off.square()) / (2 * statistics.off.square()))
    place = torch.cat([along, off], 1).unflatten(0, (count, -1)).transpose(1, 2)  # [B, 5, tiles]
    place = _covering(place[..., None].expand(-1, -1, -1, length), whole, rest).unflatten(2, (-1, factor)).mean(3)
    place = place[:, None].expand(-1, channels, -1, -1)
    return torch.cat([torch.stack([residual.mean(3), residual.abs().amax(3)], 2), place], 2)


def _covering(tiles: Tensor, whole: int, rest: int) -> Tensor:
    """Join tiles [B, K, tiles, L] to windows [B, K, whole * L + rest]; of the last one, only the rest is taken."""
    joined = tiles[:, :, :whole].flatten(2)
    return torch.cat([joined, tiles[:, :, -1, -rest:]], 2) if rest else joined


def passed(detector: Detector, tiles: Tensor) -> tuple[Tensor, Tensor]:
    """Return the standardised residual [N, C, L] and the latent [N, D] of tiles [N, C, L]."""
    scale = detector.shift_and_scale[1][:, None]

    def batches(size: int) -> list[tuple[Tensor, Tensor]]:
        return [_pass(detector, part) for part in tiles.split(size)]

    # Some backbones draw random numbers. The same ones each time keep scores equal, and the caller's state as it is.
    # torch has one generator for all threads.
    with DRAWING, seeded(0):
        parts = BatchSize(TILES).run(batches)
    rebuilt, latent = (torch.cat(part) for part in zip(*parts, strict=True))
    return (tiles - rebuilt) / scale, latent


def passed_at_once(detector: Detector, tiles: Tensor) -> tuple[Tensor, Tensor]:
    """Return `passed` in one batch, for an export: a graph draws no random numbers and knows no batches."""
    rebuilt, latent = _pass(detector, tiles)
    return (tiles - rebuilt) / detector.shift_and_scale[1][:, None], latent


def _pass(detector: Detector, tiles: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(detector, WindowedDetector):  # `one_pass` only saves time; a detector need not have it
        return detector.one_pass(tiles)
    return detector.reconstruct(tiles), detector.encode(tiles)
