"""What windows are compared with: normal windows as they are and in shape, and what the backbone makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ape.core.out_of_memory import BatchSize
from ape.detectors import Detector
from ape.posttrain.memory import Memory
from ape.posttrain.parts import BATCH, pool_residual


class Neighbours(NamedTuple):
    """What sets windows apart from their nearest references.

    Parameters
    ----------
    difference : Tensor [B, C, L]
        To the nearest reference, standardised.
    shape : Tensor [B, C, L]
        To the nearest one in shape, where each channel of each window lost its level and amplitude.
    usual : Tensor [B, cells]
        The backbone's pooled residual of the nearest reference.
    """

    difference: torch.Tensor
    shape: torch.Tensor
    usual: torch.Tensor

    def pooled(self) -> torch.Tensor:
        """All three side by side, [B, 3 cells]."""
        return torch.cat([pool_residual(self.difference), pool_residual(self.shape), self.usual], 1)


@dataclass(frozen=True)
class References:
    """Reference windows under one state of a backbone.

    Parameters
    ----------
    memory : Memory
    residuals : Tensor [R, cells]
        Pooled residuals of their reconstructions, standardised.
    """

    memory: Memory
    residuals: torch.Tensor

    @classmethod
    def of(cls, backbone: Detector, memory: Memory) -> References:
        """Let ``backbone`` rebuild the windows of ``memory``."""
        return cls(memory, residuals(backbone, memory.windows))

    def followed_by(self, backbone: Detector, values: np.ndarray, first: int, offset: int) -> References:
        """These and windows of a series that is scored, which those behind them alone are compared with.

        Parameters
        ----------
        backbone : Detector
            As it was for these.
        values : ndarray [T, C]
            Data units.
        first : int
            Where the earliest of its windows begins.
        offset : int
            Position of the series' first point, on the scale of the memory's starts.
        """
        memory = self.memory.followed_by(values, first, offset, *backbone.scale_shift)
        if memory is self.memory:
            return self
        more = residuals(backbone, memory.windows[-memory.later :])
        return References(memory, torch.cat([self.residuals, more]))

    def neighbours(self, windows: torch.Tensor, positions: torch.Tensor | None) -> Neighbours:
        """Compare standardised windows [B, C, L] with the nearest references, see `Memory.nearest`."""
        memory = self.memory
        index, shape = memory.nearest(windows, positions), memory.shape_of(windows)
        in_shape = memory.shapes.nearest(shape, positions)
        return Neighbours(
            windows - memory.closest(windows, index, positions),
            shape - memory.closest(shape, in_shape, positions, memory.shape_of),
            self.residuals[index],
        )


@torch.no_grad()
def residuals(backbone: Detector, standard: torch.Tensor) -> torch.Tensor:
    """Pooled residuals of standardised windows [N, C, L], [N, cells], in batches."""
    shift, scale = (x[:, None] for x in backbone.scale_shift)
    backbone.module.eval()

    def apart(x: torch.Tensor) -> torch.Tensor:
        windows = x * scale + shift
        return pool_residual((windows - backbone.reconstruct(windows)) / scale)

    def batches(size: int) -> list[torch.Tensor]:
        return [apart(x) for x in standard.split(size)]

    return torch.cat(BatchSize(BATCH).run(batches))
