"""Salience by spectral residual: what a channel's spectrum does not lead one to expect."""

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
LOCAL = 21  # samples that a salience is compared with
LISTED = 5
APART = 21  # samples from one listed position to another, at least
STANDS_OUT = 8.0  # robust deviations


def salience(values: np.ndarray) -> np.ndarray:
    """Saliency of each point of ``values`` [n] (Hou and Zhang 2007; Ren et al. 2019), in its robust deviations, [n]."""
    spectrum = np.fft.rfft(values - values.mean())
    log = np.log(np.abs(spectrum) + 1e-12)
    residual = log - uniform_filter1d(log, AVERAGED)
    saliency = np.abs(np.fft.irfft(np.exp(residual + 1j * np.angle(spectrum)), len(values)))
    excess = saliency - uniform_filter1d(saliency, LOCAL)
    return (excess - np.median(excess)) / (robust_scale(excess) + 1e-12)


def spectral_residual_tool(workbench: Workbench) -> BaseTool:
    """``spectral_residual`` over one workbench."""

    @agent_tool
    def spectral_residual(channel: Channel) -> dict[str, Any]:
        """Points that stand out from what the channel's spectrum lets one expect: spikes, edges, breaks of rhythm.

        salient: the strongest, in robust deviations; under 8 nothing stands out. share: how much of the channel is
        beyond 8: if it is more than a hundredth, such points are normal here.
        """
        values = workbench.column(channel)
        require(values, 64)
        strength = salience(values)
        salient = islice(separated_minima(-strength, APART), LISTED)
        return {
            "salient": [{"position": at, "strength": float(strength[at])} for at in salient],
            "share": float(np.mean(strength > STANDS_OUT)),
        }

    return spectral_residual
