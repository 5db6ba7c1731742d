"""What the tools of one scenario may see: the training part, without the name of the series."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ape.series.series import Series
from ape.tools.artefacts import Artefacts

LISTED = 12  # channels that an error names


@dataclass(frozen=True)
class Workbench:
    """A series cut to its training part, and the store for what tools make of it.

    Parameters
    ----------
    series : Series
        Whatever lies after ``train_end``, its name and notes are left out here, once, so that no tool can reach them.
    artefacts : Artefacts
    """

    series: Series
    artefacts: Artefacts

    def __post_init__(self) -> None:
        series = self.series
        stamps = None if series.timestamps is None else series.timestamps[: len(series.train)]
        cut = replace(series, values=series.train, timestamps=stamps, name="series", notes=())
        object.__setattr__(self, "series", cut)

    def column(self, channel: str) -> np.ndarray:
        """Training values of one channel, float64 [n]; a `ValueError` that lists the channels where there is none."""
        channels = self.series.channels
        if channel not in channels:
            listed = ", ".join(channels[:LISTED]) + (", ..." if len(channels) > LISTED else "")
            msg = f"no channel '{channel[:80]}'; give one of: {listed}"
            raise ValueError(msg)
        return self.series.values[:, channels.index(channel)].astype(np.float64)
