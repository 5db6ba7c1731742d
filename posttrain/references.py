"""Compare windows with normal reference windows, by value and by shape, and with the residuals of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ape.core.out_of_memory import BatchSize
from ape.detectors import Detector
from ape.posttrain.parts import BATCH, pool_residual
from ape.posttrain.reference_windows import ReferenceWindows
from ape.series.windows import Segments


class Neighbours(NamedTuple):
    """Differences of windows to their nearest references.

    Parameters
    ----------
    difference : Tensor [B, C, L]
        Difference to the nearest reference, standardised.
    shape : Tensor [B, C, L]
        Difference to the nearest reference in shape, without level and amplitude of each channel.
    usual : Tensor [B, cells]
        The backbone's pooled residual of the nearest reference.
    """

    difference: torch.Tensor
    shape: torch.Tensor
    usual: torch.Tensor

    def pooled(self) -> torch.Tensor:
        """Concatenate all three, pooled, [B, 3 cells]."""
        return torch.cat([pool_residual(self.difference), pool_residual(self.shape), self.usual], 1)


@dataclass(frozen=True)
class References:
    """Reference windows under one state of a backbone.

    Parameters
    ----------
    reference_windows : ReferenceWindows
    residuals : Tensor [R, cells]
        Pooled residuals of their reconstructions, standardised.
    """

    reference_windows: ReferenceWindows
    residuals: torch.Tensor

    @classmethod
    def of(cls, backbone: Detector, reference_windows: ReferenceWindows) -> References:
        """Compute the residuals of ``reference_windows`` under ``backbone``."""
        return cls(reference_windows, residuals(backbone, reference_windows.windows))

    def followed_by(
        self, backbone: Detector, values: np.ndarray, segments: Segments, first: int, offset: int
    ) -> References:
        """Return these references followed by windows of the scored series, which only later windows match.

        Parameters
        ----------
        backbone : Detector
            In the same state as for these references.
        values : ndarray [T, C]
            Data units.
        segments : sequence of (int, int)
            Stretches of the values without gaps.
        first : int
            Start of the earliest window.
        offset : int
            Position of the first value among the starts of the references.
        """
        reference_windows = self.reference_windows.followed_by(
            values, segments, first, offset, *backbone.shift_and_scale
        )
        if reference_windows is self.reference_windows:
            return self
        more = residuals(backbone, reference_windows.windows[-reference_windows.later :])
        return References(reference_windows, torch.cat([self.residuals, more]))

    def neighbours(self, windows: torch.Tensor, positions: torch.Tensor | None) -> Neighbours:
        """Compare standardised windows [B, C, L] with the nearest references, see `ReferenceWindows.nearest`."""
        reference_windows = self.reference_windows
        index, shape = reference_windows.nearest(windows, positions), reference_windows.shape_of(windows)
        in_shape = reference_windows.shapes.nearest(shape, positions)
        return Neighbours(
            windows - reference_windows.closest(windows, index, positions),
            shape - reference_windows.closest(shape, in_shape, positions, reference_windows.shape_of),
            self.residuals[index],
        )


@torch.no_grad()
def residuals(backbone: Detector, standard: torch.Tensor) -> torch.Tensor:
    """Return the pooled residuals of standardised windows [N, C, L], [N, cells], computed in batches."""
    shift, scale = (x[:, None] for x in backbone.shift_and_scale)
    backbone.module.eval()

    def apart(x: torch.Tensor) -> torch.Tensor:
        windows = x * scale + shift
        return pool_residual((windows - backbone.reconstruct(windows)) / scale)

    def batches(size: int) -> list[torch.Tensor]:
        return [apart(x) for x in standard.split(size)]

    return torch.cat(BatchSize(BATCH).run(batches))
