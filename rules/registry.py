"""What an operator is to the sampler, and the list of them: `ape.rules.operators` holds the operators themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Bounds:
    """Allowed range of a parameter, the range used when a rule leaves it out, and its meaning with its unit."""

    lower: float
    upper: float
    default: tuple[float, float]
    meaning: str


@dataclass(frozen=True)
class Site:
    """Where the anomalies of a batch go, and the noise that they may use.

    ``u`` [B, 1, L] runs from 0 at the first anomalous sample to 1 at the last; ``inside`` [B, 1, L] marks the
    segment; ``start`` and ``length`` are [B, 1, 1]; ``amount`` [B, C, 1] is the signed size of an additive change in
    data units; ``noise`` [B, C, L] is standard normal; ``donor`` [B, C, L] are other host windows; ``low``, ``high``,
    ``minimum`` and ``scale`` are [1, C, 1] quantiles and robust standard deviation; ``cycle`` is the period in
    samples.
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
    scale: Tensor
    cycle: float


@dataclass(frozen=True)
class Broad:
    """What a rule says of an operator where nothing is known of the scenario.

    ``scale`` is in robust standard deviations of the series, ``duration`` in ``unit``.
    """

    mechanism: str
    morphology: str
    scale: tuple[float, float]
    duration: tuple[float, float]
    unit: Literal["samples", "periods"] = "periods"


@dataclass(frozen=True)
class Operator:
    """A registered operator: its function, its parameters, and what the sampler must know of it."""

    apply: Callable[[Tensor, Site, dict[str, Tensor]], Tensor]
    parameters: dict[str, Bounds]
    summary: str
    broad: Broad
    additive: bool  # its size comes from the scale prior
    jumps: bool  # a sharp border belongs to it
    leaves_range: bool  # it may pass the extreme quantiles of normal data
    warps: bool  # it moves samples in time, so it needs some length to show
    relational: bool  # it breaks how channels go together, so one at least is left alone


OPERATORS: dict[str, Operator] = {}


def operator(
    broad: Broad,
    parameters: dict[str, Bounds] | None = None,
    *,
    additive: bool = False,
    jumps: bool = False,
    leaves_range: bool = False,
    warps: bool = False,
    relational: bool = False,
) -> Callable[[Callable], Callable]:
    """Register the decorated function under its own name, with a broad rule.

    The first line of its docstring is what people and agents read of it.
    """

    def register(function: Callable) -> Callable:
        summary = (function.__doc__ or "").rstrip(".")
        OPERATORS[function.__name__] = Operator(
            function, parameters or {}, summary, broad, additive, jumps, leaves_range, warps, relational
        )
        return function

    return register
