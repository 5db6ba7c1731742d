"""An event: an anomaly in a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Way = Literal["up", "down"]


@dataclass(frozen=True)
class Finding:
    """What is unusual in one channel during an event.

    Parameters
    ----------
    channel : str
    kind : {"missing", "stuck", "peak", "ramp", "level", "noisier", "calmer", "unrelated", "unlike"}
    text : str
        In words, such as ``level 20 percentage points above what is usual there (62 instead of 42 %)``.
    value : float
        That of the standstill, of the peak, of the level, or at the end of the ramp; otherwise the median; data units.
    usual : (float, float)
        Usual lowest and highest value at such a place, data units: medians over the event.
    unit : str or None
        As in the name of the channel.
    way : {"up", "down"} or None
        Whether values are above or below what is usual, or rise or fall; None if they do neither.
    """

    channel: str
    kind: str
    text: str
    value: float
    usual: tuple[float, float]
    unit: str | None
    way: Way | None = None


@dataclass(frozen=True)
class Event:
    """An anomaly in a series.

    Parameters
    ----------
    begin, end, peak : int
        Points of the series; ``end`` is exclusive, ``peak`` is that of the highest score.
    score : float
        Highest score: minus log10 of the share of normal points that score as high.
    channels : tuple of (str, float)
        Channels at fault, with their share in the score; the largest first.
    rules : tuple of (str or None, float)
        Rules of the bank that it looks like, with their probabilities; the most probable first. None stands for none of
        them. Empty if the detector has no rules.
    ongoing : bool
        Whether it lasts until the end of the data.
    findings : tuple of Finding
        What is unusual in the first channels at fault.
    reason : str
        One sentence for people.
    """

    begin: int
    end: int
    peak: int
    score: float
    channels: tuple[tuple[str, float], ...]
    rules: tuple[tuple[str | None, float], ...]
    ongoing: bool
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @property
    def rule(self) -> str | None:
        """The rule that fits best; None if none of the rules does."""
        return self.rules[0][0] if self.rules else None
