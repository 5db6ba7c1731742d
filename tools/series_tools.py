"""The profiler's and the visual inspector's tools: thin LangChain wrappers that answer in small JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool, tool

from ape.tools import profiling, render
from ape.tools.plain import to_plain
from ape.tools.workbench import Workbench


def _answer(result: dict[str, Any]) -> str:
    return json.dumps(to_plain(result))


def profiler_tools(bench: Workbench) -> list[BaseTool]:
    """Measurements of the training part of one series."""

    @tool
    def robust_stats(channel: str) -> str:
        """Location, scale and tails of a channel; share of distinct and repeated values, flat runs, values at the limits.

        residual_sd_share is the fine scatter as a share of the whole spread: near 0 is smooth, near 1 is noise.
        """
        return _answer(profiling.robust_stats(bench.column(channel)))

    @tool
    def autocorrelation(channel: str) -> str:
        """Dominant period in samples; autocorrelation at 1, 2, 5, 10 periods; phase_locked: 1 if a fixed clock predicts the phase."""
        return _answer(profiling.autocorrelation(bench.column(channel)))

    @tool
    def spectrum(channel: str) -> str:
        """Strongest periods with their share of power; flatness (1 is white noise); steadiness of the dominant frequency."""
        return _answer(profiling.spectrum(bench.column(channel)))

    @tool
    def stationarity(channel: str) -> str:
        """Augmented Dickey-Fuller p-value (small: stationary), trend over the length, spread of block means and spreads."""
        return _answer(profiling.stationarity(bench.column(channel)))

    @tool
    def change_points(channel: str) -> str:
        """Positions and sizes, in standard deviations, of lasting changes of level."""
        return _answer(profiling.change_points(bench.column(channel)))

    @tool
    def stl(channel: str, periods: list[int]) -> str:
        """Seasonal-trend decomposition at one or several periods: strengths from 0 to 1, scale and tails of what remains."""
        return _answer(profiling.stl(bench.column(channel), periods))

    @tool
    def matrix_profile(channel: str, window: int) -> str:
        """Motif and discords of subsequences of length window. Distances from 0 (identical shape) to 1 (opposite)."""
        return _answer(profiling.motifs_and_discords(bench.column(channel), window))

    @tool
    def correlation() -> str:
        """How strongly channels move together: mean absolute correlation and each channel's strongest partner."""
        train = bench.series.train.astype(np.float64)
        return _answer(profiling.correlation(train, list(bench.series.channels)))

    return [robust_stats, autocorrelation, spectrum, stationarity, change_points, stl, matrix_profile, correlation]


def inspector_tools(bench: Workbench) -> list[BaseTool]:
    """Pictures of the training part of one series."""

    def stored(png: bytes, begin: int, end: int) -> str:
        return _answer({"artefact": bench.artefacts.put_bytes(png, ".png"), "begin": begin, "end": end})

    @tool
    def render_overview(channel: str) -> str:
        """Picture of a channel's whole training part."""
        x = bench.column(channel)
        return stored(render.draw_stretch(x, 0, len(x)), 0, len(x))

    @tool
    def render_cycles(channel: str, period: int) -> str:
        """Picture of up to forty cycles of a period, drawn over each other."""
        x = bench.column(channel)
        if not 2 <= period <= len(x) // 2:
            msg = f"period {period} must lie between 2 and half of {len(x)} points"
            raise ValueError(msg)
        return stored(render.draw_cycles(x, period), 0, period)

    @tool
    def render_zoom(channel: str, begin: int, end: int) -> str:
        """Picture of a channel from step begin to step end."""
        x = bench.column(channel)
        if not 0 <= begin < end - 8 < len(x):
            msg = f"begin {begin} and end {end} must lie within {len(x)} points, at least 9 apart"
            raise ValueError(msg)
        return stored(render.draw_stretch(x, begin, min(end, len(x))), begin, min(end, len(x)))

    return [render_overview, render_cycles, render_zoom]
