"""An event: an anomaly in a series."""

from __future__ import annotations

from dataclasses import dataclass


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
    reason: str = ""

    @property
    def every(self) -> float:
        """Points of normal data in which one point is expected to score as high."""
        return 10.0**self.score

    @property
    def rule(self) -> str | None:
        """The rule that fits best; None if none of the rules does."""
        return self.rules[0][0] if self.rules else None
