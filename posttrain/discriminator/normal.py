"""The training part as all time scales see it: standardised, without gaps, suspicious samples marked."""

from __future__ import annotations


from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool1d

from ape.core.errors import InputError
from ape.posttrain.discriminator.inputs import standardise
from ape.posttrain.discriminator.references import WINDOW, pooled
from ape.rules.schema import Context
from ape.series.windows import Segments

FACTORS = (1, 2, 4)  # samples in a cell
WINDOWS = (WINDOW, WINDOW // 2, WINDOW // 4)  # cells; the network is convolutional, so that it takes all of them
SHORTEST = 3  # windows that the training part needs at a factor


@dataclass(frozen=True)
class Normal:
    """The training part.

    Parameters
    ----------
    values : ndarray, float32 [n, C]
        Data units.
    centre, scale : Tensor, float32 [C]
        Standardise the values; on the device that computes.
    segments : sequence of (int, int)
        Begin and end of stretches without a gap, see `ape.series.Series.train_segments`. No window crosses their ends.
    suspicious : ndarray, bool [n]
        Samples that look abnormal. No reference window covers any.
    """

    values: np.ndarray
    centre: Tensor
    scale: Tensor
    segments: Segments
    suspicious: np.ndarray

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        context: Context,
        segments: Segments | None = None,
        suspicious: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> Normal:
        """Standardise by the median of the values and the scale in the context of their Rule Bank."""
        return cls(
            np.ascontiguousarray(values, dtype=np.float32),
            torch.from_numpy(np.median(values, axis=0).astype(np.float32)).to(device),
            torch.tensor([channel.scale for channel in context.channels], dtype=torch.float32, device=device),
            [(0, len(values))] if segments is None else segments,
            np.zeros(len(values), dtype=bool) if suspicious is None else suspicious,
        )

    def standard(self, values: np.ndarray) -> Tensor:
        """Standardise values [m, C] in data units, float32 [C, m]; extreme values are cut off."""
        samples = torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float32)).to(self.centre.device)
        return standardise(samples[None], self.centre[None], self.scale[None])[0]

    def cells(self, factor: int) -> Tensor:
        """Return the standardised cells of all segments, one segment after the other, float32 [C, m]."""
        return torch.cat([pooled(self.standard(self.values[a:b]), factor) for a, b in self.segments], 1)

    def places(self, factor: int, window: int) -> Tensor:
        """Return where reference windows may start among `cells`, bool [m - window + 1].

        They cross no gap and cover no suspicious sample.
        """
        barred = []
        for begin, end in self.segments:
            cells = (end - begin) // factor
            suspect = self.suspicious[begin : begin + cells * factor].reshape(cells, factor).any(1)
            inside = torch.from_numpy(suspect).float()
            covers = max_pool1d(inside[None], window, 1)[0] > 0 if cells >= window else inside[:0] > 0
            barred += [covers, torch.ones(cells - len(covers), dtype=torch.bool)]
        free = ~torch.cat(barred)
        return free[: max(0, len(free) - window + 1)].to(self.centre.device)

    def usable_factors(self, window: int) -> list[int]:
        """Return the factors at which every window has a reference that does not overlap it."""
        usable = []
        for factor in FACTORS:
            at = torch.nonzero(self.places(factor, window))[:, 0]
            if len(at) and int(at[-1] - at[0]) >= (SHORTEST - 1) * window:
                usable.append(factor)
        return usable

    def scales(self) -> tuple[int, list[int]]:
        """Return the longest window, in cells, for which the training part is long enough, and its factors.

        Raises
        ------
        InputError
            Too short for the shortest one.
        """
        for window in WINDOWS:
            factors = self.usable_factors(window)
            if factors:
                return window, factors
        raise InputError(
            f"{len(self.values)} training points are too few to compare windows with",
            "rule discriminator",
            f"give at least {SHORTEST * WINDOWS[-1]} without a gap",
        )
