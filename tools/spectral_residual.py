"""Salience by spectral residual: find points that the spectrum of a channel does not explain."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool
from scipy.ndimage import uniform_filter1d

from ape.series.numerics import robust_scale, separated_minima
from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

AVERAGED = 3  # neighbouring frequencies
LEAST_SIZE = 1e-12  # share of the largest amplitude; the mean, which is removed, leaves smaller ones by rounding
LOCAL = 21  # samples of the local mean that a salience is compared with
LISTED = 5
APART = 21  # fewest samples between listed positions
STANDS_OUT = 8.0  # robust deviations


def salience(values: np.ndarray) -> np.ndarray:
    """Return the saliency of each point of ``values`` [n] in robust deviations, [n].

    Hou and Zhang 2007; Ren et al. 2019.
    """
    spectrum = np.fft.rfft(values - values.mean())
    size = np.abs(spectrum)
    log = np.log(size + LEAST_SIZE * size.max())
    residual = log - uniform_filter1d(log, AVERAGED)
    saliency = np.abs(np.fft.irfft(np.exp(residual + 1j * np.angle(spectrum)), len(values)))
    excess = saliency - uniform_filter1d(saliency, LOCAL)
    return (excess - np.median(excess)) / (robust_scale(excess) + 1e-12)


def spectral_residual_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``spectral_residual``."""

    @agent_tool
    def spectral_residual(channel: Channel) -> dict[str, Any]:
        """Find points that the spectrum of a channel does not explain: spikes, edges, breaks of rhythm.

        salient: the strongest points; strength is in robust deviations, and below 8 nothing is exceptional. share:
        share of points above 8; if it is above 0.01, such points are normal in this channel.
        """
        begin, values = workbench.stretch(channel)
        require(values, 64)
        strength = salience(values)
        strongest = islice(separated_minima(-strength, APART), LISTED)
        salient = [{"position": at + begin, "strength": float(strength[at])} for at in strongest]
        return {
            "salient": workbench.with_times(salient),
            "share": float(np.mean(strength > STANDS_OUT)),
        }

    return spectral_residual
