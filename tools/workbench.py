"""The data that tools may use: the training part of a series, without its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ape.series.coverage import covering
from ape.series.groups import Group, groups_of
from ape.series.series import Series
from ape.series.windows import Segments, longest, points
from ape.tools.artefacts import Artefacts

LISTED = 12  # channels in an error message


@dataclass(frozen=True)
class Workbench:
    """A series cut to its training part, and the store for the artefacts of tools.

    Parameters
    ----------
    series : Series
        Values after ``train_end``, the name and the notes are removed here, so that no tool can reach them.
    artefacts : Artefacts
    """

    series: Series
    artefacts: Artefacts

    def __post_init__(self) -> None:
        cut = replace(self.series.until(len(self.series.train)), name="series", notes=(), reading=None)
        object.__setattr__(self, "series", cut)

    @property
    def segments(self) -> Segments:
        """Stretches of the training part without gaps and missing values."""
        return self.series.train_segments

    @cached_property
    def sample(self) -> Segments:
        """These stretches, or a sample of a long training part for what takes time by the square of its length."""
        return covering(self.series.values, self.segments)

    @cached_property
    def groups(self) -> list[Group]:
        """Groups of the channels of a wide series; none of another one."""
        return groups_of(self.series)

    @property
    def points(self) -> np.ndarray:
        """Positions of all points of these stretches, int64 [n]."""
        return points(self.segments)

    def stretch(self, channel: str) -> tuple[int, np.ndarray]:
        """Return begin and values, float64 [n], of the longest of these stretches; errors are those of `column`."""
        begin, end = longest(self.segments)
        return begin, self.column(channel)[begin:end]

    def time(self, position: int) -> str | None:
        """Return the time of a position with its zone; None if the series has no times."""
        return time_without_fraction(self.series, position)

    def clock_text(self, stamp: np.datetime64) -> str:
        """Return a time on the scale of the series' timestamps as text, on the clock of the series with its zone."""
        timestamps, offsets = self.series.timestamps, self.series.clock_offset
        if timestamps is None or offsets is None:
            return str(stamp)
        at = min(int(np.searchsorted(timestamps, stamp.astype(timestamps.dtype))), len(timestamps) - 1)
        zone = str(self.series.time_text(at))[-len("+00:00") :] if self.series.zone is not None else ""
        return f"{stamp + offsets[at].astype('timedelta64[s]')}{zone}"

    def span(self, begin: int, end: int) -> dict[str, str]:
        """Return the times of the first and of the last position of a stretch; nothing if the series has no times."""
        first, last = self.time(begin), self.time(end - 1)
        return {} if first is None or last is None else {"first_time": first, "last_time": last}

    def with_times(self, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what was found, each at a ``position``, with the ``time`` of the position if the series has times."""
        if self.time(0) is None:
            return found
        return [each | {"time": self.time(each["position"])} for each in found]

    def column(self, channel: str) -> np.ndarray:
        """Return the training values of one channel minus its `offset`, float64 [n].

        Raises
        ------
        ValueError
            There is no such channel; the message lists the channels.
        """
        channels = self.series.channels
        if channel not in channels:
            listed = ", ".join(channels[:LISTED]) + (", ..." if len(channels) > LISTED else "")
            msg = f"no channel '{channel[:80]}'; use one of: {listed}"
            raise ValueError(msg)
        return self.series.values[:, channels.index(channel)].astype(np.float64)

    def offset(self, channel: str) -> float:
        """Return what to add to the values of `column` for data units."""
        offset = self.series.offset
        return 0.0 if offset is None else float(offset[self.series.channels.index(channel)])


def time_without_fraction(series: Series, position: int) -> str | None:
    """Return the time of a position without a fraction of a second, unless the series is sampled faster than that."""
    text, step = series.time_text(position), series.step
    return text if text is None or (step is not None and step < 1) else re.sub(r"\.\d+", "", text)
