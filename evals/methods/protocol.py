"""The interface of the comparison methods, and the record of what is known about each one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Generator, Tensor, nn

from ape.posttrain.negatives import Negatives

Claim = Literal["reproduction", "after the abstract", "own construction after the title"]


class Scorer(nn.Module, ABC):
    """A module that trains on normal windows and scores windows.

    Windows are float32 [B, C, L], standardised by the training part. All random numbers after construction come from
    the ``generator`` that `loss` gets, on the CPU.
    """

    @abstractmethod
    def loss(self, windows: Tensor, generator: Generator) -> Tensor:
        """Return the training loss of normal windows, a scalar. The method makes its own pseudo-anomalies."""

    def fit_scores(self, windows: Tensor) -> None:
        """Prepare scoring from normal training windows, for example by filling a memory. Does nothing by default."""

    @abstractmethod
    def score(self, windows: Tensor) -> Tensor:
        """Return anomaly scores, higher is more anomalous: [B, L] per point or [B] per window."""


@dataclass(frozen=True)
class Method:
    """A comparison method.

    Parameters
    ----------
    build : callable
        Maps channels and window to a `Scorer`.
    claim : str
        How close the implementation is to the paper. "reproduction": formulas or code are public; otherwise only the
        abstract or only the title is.
    paper : str
    settings : mapping
        Hyper-parameters with their values and where each value comes from.
    rate : float
        Learning rate of Adam. It is the paper's where the paper gives one.
    negatives : callable, optional
        The method's pseudo-anomalies for standardised windows, if they can be used without the method. They can then
        be compared apart from the method's training.
    """

    build: Callable[[int, int], Scorer]
    claim: Claim
    paper: str
    settings: Mapping[str, str]
    rate: float = 3e-4
    negatives: Negatives | None = None
