"""The registry of operators. The operators themselves are in `ape.rules.operators`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class ParameterRange:
    """Allowed range of a parameter, its default range, and its meaning with unit."""

    lower: float
    upper: float
    default: tuple[float, float]
    meaning: str


@dataclass(frozen=True)
class Site:
    """Places of the anomalies of a batch, and the random material that operators may use.

    Parameters
    ----------
    u : Tensor [B, 1, L]
        Runs from 0 at the first anomalous sample to 1 at the last.
    inside : Tensor, bool [B, 1, L]
        Marks the segment.
    start, length : Tensor [B, 1, 1]
        In samples.
    amount : Tensor [B, C, 1]
        Signed size of an additive change, in data units.
    noise : Tensor [B, C, L]
        Standard normal.
    donor : Tensor [B, C, L]
        Other host windows, shifted in time.
    low, high : Tensor [1, C, 1]
        Extreme quantiles of normal data.
    zero : Tensor [1, C, 1]
        The value 0 of the data: that of channels with an offset is far away.
    scale : Tensor [1, C, 1]
        Robust standard deviation of the series.
    cycle : float
        Period in samples.
    """

    u: Tensor
    inside: Tensor
    start: Tensor
    length: Tensor
    amount: Tensor
    noise: Tensor
    donor: Tensor
    low: Tensor
    high: Tensor
    zero: Tensor
    scale: Tensor
    cycle: float


@dataclass(frozen=True)
class BroadRule:
    """Vocabulary and wide priors of an operator's broad rule, for use without knowledge of the scenario.

    ``scale`` is in robust standard deviations of the series, ``duration`` in ``unit``.
    """

    mechanism: str
    morphology: str
    scale: tuple[float, float]
    duration: tuple[float, float]
    unit: Literal["samples", "periods"] = "periods"


@dataclass(frozen=True)
class Operator:
    """A registered operator: its function, its parameters, and the properties that sampling uses."""

    apply: Callable[[Tensor, Site, dict[str, Tensor]], Tensor]
    parameters: dict[str, ParameterRange]
    summary: str
    broad: BroadRule
    additive: bool  # its size comes from the scale prior
    jumps: bool  # its anomalies may have sharp borders
    leaves_range: bool  # it may exceed the extreme quantiles of normal data
    reaches_zero: bool  # the limits of the channels do not keep it from zero
    warps: bool  # it moves samples in time, so it needs a minimum length
    relational: bool  # it breaks the relation between channels, so at least one channel stays unchanged


OPERATORS: dict[str, Operator] = {}


def operator(
    broad: BroadRule,
    parameters: dict[str, ParameterRange] | None = None,
    *,
    additive: bool = False,
    jumps: bool = False,
    leaves_range: bool = False,
    reaches_zero: bool = False,
    warps: bool = False,
    relational: bool = False,
) -> Callable[[Callable], Callable]:
    """Register the decorated function under its own name.

    Its one-line docstring is the summary that people and agents read.
    """

    def register(function: Callable) -> Callable:
        summary = (function.__doc__ or "").rstrip(".")
        OPERATORS[function.__name__] = Operator(
            function, parameters or {}, summary, broad, additive, jumps, leaves_range, reaches_zero, warps, relational
        )
        return function

    return register
