"""The training part as all time scales see it: standardised, without gaps, suspicious samples marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool1d, pad

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

    def origin(self, factor: int) -> Tensor:
        """Return the first sample of each of the `cells`, int64 [m]."""
        return torch.cat([torch.arange(a, b - factor + 1, factor) for a, b in self.segments]).to(self.centre.device)

    def suspect(self, factor: int) -> Tensor:
        """Return which of the `cells` hold a suspicious sample, bool [m]."""
        marks = [torch.from_numpy(self.suspicious[a:b])[None] for a, b in self.segments]
        return torch.cat([pooled_any(mark, factor)[0] for mark in marks]).to(self.centre.device)

    def places(self, factor: int, window: int) -> Tensor:
        """Return where reference windows may start among `cells`, bool [m - window + 1].

        They cross no gap and cover no suspicious sample.
        """
        suspect, free = self.suspect(factor), []
        for begin, end in self.segments:
            own, suspect = suspect.tensor_split([(end - begin) // factor])
            clear = unmarked(own, window)
            free.append(pad(clear, (0, len(own) - len(clear))))
        whole = torch.cat(free)
        return whole[: max(0, len(whole) - window + 1)]

    def typical(self) -> Tensor:
        """Return the standardised samples of all segments that are not suspicious, float32 [C, m]."""
        kept = np.concatenate([np.arange(a, b)[~self.suspicious[a:b]] for a, b in self.segments])
        return self.standard(self.values[kept])

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


def pooled_any(marks: Tensor, factor: int) -> Tensor:
    """Return whether any of ``factor`` samples is marked, bool [..., n // factor] of [..., n]."""
    return marks[..., : marks.shape[-1] // factor * factor].unflatten(-1, (-1, factor)).any(-1)


def unmarked(marks: Tensor, window: int) -> Tensor:
    """Return which windows cover no marked cell, bool [max(0, m - window + 1)] of [m]."""
    if len(marks) < window:
        return marks[:0]
    return max_pool1d(marks[None].float(), window, 1)[0] == 0
