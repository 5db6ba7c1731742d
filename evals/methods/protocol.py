"""What a method that APE is compared with has to offer, and what is written down about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Generator, Tensor, nn

from ape.posttrain.negatives import Negatives

Claim = Literal["reproduction", "after the abstract", "own construction after the title"]


class Scorer(Protocol):
    """A module, built from channels and window, that trains on normal windows and scores windows.

    Windows are [B, C, L], standardised by the training part. Random numbers come from ``generator``, on the CPU, alone.
    """

    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Training loss of normal windows, a scalar; pseudo-anomalies are made inside."""

    def fit_scores(self, windows: Tensor) -> None:
        """Take what scoring needs, such as a memory, from normal windows that were trained on."""

    def score(self, windows: Tensor) -> Tensor:
        """Anomaly score, higher is more anomalous: [B, L], a point, or [B], a window."""


@dataclass(frozen=True)
class Method:
    """A method of others.

    Parameters
    ----------
    build : callable
        Module from channels and window, see `Scorer`.
    claim : str
        How close it is: formulas or code are public, or the abstract alone, or the title alone.
    paper : str
    settings : mapping
        Hyper-parameters with their values, and where each is from.
    rate : float
        Learning rate of Adam, after the paper where it tells.
    negatives : callable, optional
        Its pseudo-anomalies for standardised windows, where it has any that can stand on their own: generator and
        training are then judged apart.
    """

    build: Callable[[int, int], nn.Module]
    claim: Claim
    paper: str
    settings: Mapping[str, str]
    rate: float = 3e-4
    negatives: Negatives | None = None
