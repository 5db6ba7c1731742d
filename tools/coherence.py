"""Compare two channels: which one leads, by how much, and at which periods they move together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from scipy import signal

from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

MOST_LAG = 0.25  # share of the length
SEGMENTS = 8
LISTED = 3


@dataclass(frozen=True)
class Relation:
    """Result of `measure_relation`: lag in samples, correlations, and coherent periods, strongest first."""

    lag: int
    correlation_at_lag: float
    correlation_without: float
    coherent_periods: list[dict[str, float]]
    mean_coherence: float


def measure_relation(first: np.ndarray, second: np.ndarray) -> Relation:
    """Compute the cross-correlation and the Welch coherence of two channels [n].

    A positive lag means that ``second`` follows ``first``.
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
    """Create the tool ``coherence``."""

    @agent_tool
    def coherence(first: Channel, second: Channel) -> Relation:
        """Measure how one channel follows another.

        lag: samples by which second follows first (negative: leads it) where their correlation is strongest.
        correlation_at_lag: that correlation. correlation_without: the correlation without a lag. coherent_periods:
        periods at which they move together at any lag, with their coherence from 0 to 1; unrelated noise has a mean
        coherence of about 0.2.
        """
        return measure_relation(workbench.stretch(first)[1], workbench.stretch(second)[1])

    return coherence
