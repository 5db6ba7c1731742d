"""Measure the spectrum of a channel: its power by period, and how steady that is over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from langchain_core.tools import BaseTool
from scipy import signal

from ape.tools.boundary import Channel, agent_tool, require
from ape.tools.workbench import Workbench

LEAST_POINTS = 64
SEGMENT = (64, 16_384)  # shortest and longest Welch segment, in samples
PEAKS = 5
NEIGHBOURS = 2  # frequency bins on either side of a peak that belong to it
BAND_EDGES = (64, 16, 4)  # periods in samples that separate the bands
BAND_NAMES = ("over_64", "16_to_64", "4_to_16", "under_4")
STEADY = 0.1  # relative distance to the median up to which a dominant frequency counts as the same


@dataclass(frozen=True)
class Spectrum:
    """Result of `measure_spectrum`. Periods are in samples; shares are of the power without mean and linear trend."""

    peaks: list[dict[str, float]]  # period and share of power, strongest first
    top_peak_share: float
    flatness: float  # geometric divided by arithmetic mean of the power; 1 = white noise, near 0 = pure tones
    band_share: dict[str, float]  # by period in samples
    stretches: int  # number of stretches in the spectrogram
    steady_share: float  # of stretches whose dominant frequency is within 10 % of the median
    dominant_period_range: list[float]  # 10 % and 90 % quantiles over stretches
    band_change: dict[str, float]  # 90 % quantile of the band's power over stretches divided by the 10 % quantile


def measure_spectrum(values: np.ndarray) -> Spectrum:
    """Measure the Welch periodogram and the spectrogram of ``values`` [n]."""
    values = np.asarray(values, dtype=np.float64)
    require(values, LEAST_POINTS)
    detrended = signal.detrend(values)
    detrended = detrended / (detrended.std() or 1.0)
    segment = int(np.clip(len(values) // 4, *SEGMENT))
    frequency, power = signal.welch(detrended, nperseg=segment)
    frequency, power = frequency[1:], power[1:] + 1e-15
    share = power / power.sum()
    tops = signal.find_peaks(np.concatenate([[0.0], share, [0.0]]))[0] - 1
    weight = np.convolve(share, np.ones(2 * NEIGHBOURS + 1), mode="same")
    tops = tops[np.argsort(-share[tops], kind="stable")][:PEAKS]
    peaks = [{"period": 1 / _refined(frequency, power, top), "share": float(weight[top])} for top in tops]
    over_time = _spectrogram(detrended, peaks[0]["period"] if peaks else 32.0)
    return Spectrum(
        peaks=peaks,
        top_peak_share=peaks[0]["share"] if peaks else 0.0,
        flatness=float(np.exp(np.mean(np.log(power))) / power.mean()),
        band_share=dict(zip(BAND_NAMES, _bands(frequency, share[:, None])[:, 0].tolist(), strict=True)),
        **over_time,
    )


def _spectrogram(values: np.ndarray, period: float) -> dict:
    """Measure the steadiness over at least eight stretches of about eight periods."""
    segment = int(np.clip(8 * period, 32, max(32, len(values) // 8)))
    frequency, _, power = signal.spectrogram(values, nperseg=segment, noverlap=segment // 2)
    frequency, power = frequency[1:], power[1:] + 1e-15
    dominant = frequency[power.argmax(axis=0)]
    usual = np.median(dominant)
    low, high = np.quantile(dominant, [0.1, 0.9])
    bands = _bands(frequency, power)
    heard = bands.mean(axis=1) > 1e-6 * bands.sum(axis=0).mean()  # leakage into an empty band is no change
    change = np.quantile(bands, 0.9, axis=1) / np.maximum(np.quantile(bands, 0.1, axis=1), 1e-15)
    return {
        "stretches": len(dominant),
        "steady_share": float(np.mean(np.abs(dominant - usual) <= max(STEADY * usual, frequency[0] / 2))),
        "dominant_period_range": [float(1 / high), float(1 / low)],
        "band_change": {n: float(c) for n, c, h in zip(BAND_NAMES, change, heard, strict=True) if h},
    }


def _bands(frequency: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Return the power in each band, [4, stretches]."""
    band = np.searchsorted(1 / np.array(BAND_EDGES), frequency)
    return np.stack([power[band == i].sum(axis=0) for i in range(len(BAND_NAMES))])


def _refined(frequency: np.ndarray, power: np.ndarray, top: int) -> float:
    """Return the frequency of a peak by a parabola through the logarithms of three bins."""
    if not 0 < top < len(power) - 1:
        return float(frequency[top])
    before, here, after = np.log(power[top - 1 : top + 2])
    bend = before - 2 * here + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(frequency[top] + offset * (frequency[1] - frequency[0]))


def spectrum_tool(workbench: Workbench) -> BaseTool:
    """Create the tool ``spectrum``."""

    @agent_tool
    def spectrum(channel: Channel) -> Spectrum:
        """Measure the power of a channel by period in samples.

        peaks: the strongest periods; harmonics of a sharp waveform appear at a half and a third of its period.
        flatness: 1 is white noise, near 0 pure tones. steady_share: 1 if the dominant frequency is the same in all
        stretches. band_change: how much the power of each band varies over time (90 % quantile divided by 10 %
        quantile); above 4 the activity changes.
        """
        return measure_spectrum(workbench.stretch(channel)[1])

    return spectrum
