"""Inject labelled faults into a real series without anomalies.

Only faults that can be defined on a sensor's output are available. GutenTAG (Wenig, Schmidl and Papenbrock 2022)
injects into synthetic base series; here the base is the user's own series, which is also the twin. The result has the
same form as a simulated scenario.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ape.core.errors import InputError
from ape.evals.timeanomalybench.injection import Instance, make
from ape.evals.timeanomalybench.processes import freeze
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World
from ape.series import Series
from ape.series.numerics import dominant_period, robust_scale


@dataclass(frozen=True)
class ChannelStats:
    """Figures of a channel that output faults use: scale, median, upper decile, period in samples, and noise [T]."""

    scale: float
    median: float
    top: float
    period: int
    noise: np.ndarray


OutputFault = Callable[[np.ndarray, np.ndarray, ChannelStats], np.ndarray]  # values, strength, statistics to values


def _delayed(values: np.ndarray, strength: np.ndarray, stats: ChannelStats) -> np.ndarray:
    late = np.arange(len(values)) - 0.3 * stats.period * strength
    return np.interp(late, np.arange(len(values)), values)


OUTPUT_FAULTS: dict[str, tuple[str, str, str, OutputFault]] = {
    "sensor_freeze": (
        "stuck_sensor", "plateau", "the sensor keeps its last reading",
        lambda x, s, c: freeze(x, s),
    ),
    "sensor_offset": (
        "abrupt_change", "step", "the reading jumps to another level",
        lambda x, s, c: x + 2.0 * c.scale * s,
    ),
    "sensor_drift": (
        "gradual_drift", "ramp", "the reading moves away little by little",
        lambda x, s, c: x + 2.0 * c.scale * s,
    ),
    "signal_dropout": (
        "signal_loss", "gap", "the reading falls towards zero",
        lambda x, s, c: x * (1 - s),
    ),
    "amplifier_gain": (
        "gain_change", "scaled_cycles", "the swing grows",
        lambda x, s, c: c.median + (1 + 0.8 * s) * (x - c.median),
    ),
    "loose_contact": (
        "noise_increase", "rough_stretch", "scatter from a loose contact",
        lambda x, s, c: x + 0.7 * c.scale * s * c.noise,
    ),
    "range_clipping": (
        "saturation", "clipped_peaks", "the reading runs into a limit",
        lambda x, s, c: np.where(s > 0, np.minimum(x, c.top - s * (c.top - c.median)), x),
    ),
    "logger_clock_lag": (
        "timing_disturbance", "shifted_cycles", "the logger's clock runs late",
        _delayed,
    ),
}  # fmt: skip
CREEPING = {"sensor_drift": 1.0, "logger_clock_lag": 0.2}


def supplement(series: Series, fault: str, seed: int, events: int = 1, severity: float | None = None) -> Instance:
    """Inject a fault into one channel of a series without anomalies; the series itself is the twin.

    Parameters
    ----------
    series : Series
        Without ``train_end`` the second half is the test part.
    fault : str
        A key of `OUTPUT_FAULTS`.
    seed : int
    events, severity
        As in `ape.evals.timeanomalybench.make`.

    Returns
    -------
    Instance

    Raises
    ------
    InputError
        The fault is unknown, or the series is too short.
    """
    if fault not in OUTPUT_FAULTS:
        raise InputError(f"unknown output fault '{fault}'", "supplement", f"choose from {', '.join(OUTPUT_FAULTS)}")
    mechanism, morphology, note, act = OUTPUT_FAULTS[fault]
    period = dominant_period(series.train.astype(np.float64)) or 40
    channel = series.channels[int(np.random.default_rng([seed, 3]).integers(series.n_channels))]
    column = series.channels.index(channel)

    def simulate(world: World) -> Simulation:
        noise = world.rng.normal(size=world.length)
        values = series.values.astype(np.float64).copy()
        strength = world.strength(fault)
        if strength.any():
            x = values[:, column]
            stats = ChannelStats(float(robust_scale(x)), float(np.median(x)), float(np.quantile(x, 0.9)), period, noise)
            values[:, column] = act(x, strength, stats)
        return Simulation(dict(zip(series.channels, values.T, strict=True)), np.zeros(world.length, dtype=bool))

    kind = Fault(
        fault, mechanism, morphology, note, (max(5, period // 2), 3 * period), (0.1, 10.0), (channel,), (channel,),
        onset=CREEPING.get(fault, 0.0),
    )  # fmt: skip
    text = series.text or "A series of the user's own."
    scenario = Scenario(
        series.name, "real series", dict.fromkeys(series.channels, ""), 1.0, period, simulate, (kind,),
        Texts(text, text, (text,), (text,), (text,)),
    )  # fmt: skip
    share = (series.train_end or series.length // 2) / series.length
    if (1 - share) * series.length < 8 * period:
        raise InputError(
            f"only {(1 - share) * series.length:.0f} points after train_end", series.name, "give a longer series"
        )
    return make(scenario, fault, seed, series.length, share, events, severity)
