"""Two channels side by side: who leads, by how much, and at which periods they move together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from scipy import signal

from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

MOST_LAG = 0.25  # of the length
SEGMENTS = 8
LISTED = 3


@dataclass(frozen=True)
class Relation:
    """How ``second`` follows ``first``: lag in samples, correlations, and coherent periods, strongest first."""

    lag: int
    correlation_at_lag: float
    correlation_without: float
    coherent_periods: list[dict[str, float]]
    mean_coherence: float


def measure_relation(first: np.ndarray, second: np.ndarray) -> Relation:
    """Cross-correlation and Welch coherence of two channels [n].

    A positive lag says that ``second`` does later what ``first`` did.
    """
    require(first, 128)
    require(second, 128)
    a, b = (signal.detrend(np.asarray(x, dtype=np.float64)) for x in (first, second))
    a, b = a / (a.std() or 1.0), b / (b.std() or 1.0)
    lags = signal.correlation_lags(len(b), len(a))
    near = np.abs(lags) <= MOST_LAG * len(a)
    correlation = signal.correlate(b, a)[near] / (len(a) - np.abs(lags[near]))
    best = int(np.abs(correlation).argmax())
    frequency, coherence = signal.coherence(a, b, nperseg=len(a) // SEGMENTS)
    tops = 1 + np.argsort(-coherence[1:], kind="stable")[:LISTED]
    return Relation(
        lag=int(lags[near][best]),
        correlation_at_lag=float(correlation[best]),
        correlation_without=float(np.mean(a * b)),
        coherent_periods=[{"period": 1 / frequency[k], "coherence": coherence[k]} for k in tops],
        mean_coherence=float(coherence[1:].mean()),
    )


def coherence_tool(workbench: Workbench) -> BaseTool:
    """``coherence`` over one workbench."""

    @agent_tool
    def coherence(first: Channel, second: Channel) -> Relation:
        """How one channel follows another.

        lag: samples by which second comes after first (negative: before), where their correlation is strongest, with
        correlation_at_lag; correlation_without is that of the same moments. coherent_periods: where they move together
        whatever the lag, 0 to 1; unrelated noise gives about 0.2 in the mean.
        """
        return measure_relation(workbench.column(first), workbench.column(second))

    return coherence
