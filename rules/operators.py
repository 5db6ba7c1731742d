"""The operators (tau in the paper): pure, batched torch functions that turn normal windows into anomalous ones.

An operator takes the hosts ``x`` [B, C, L] in data units, a `Site` with the place of each anomaly, and its parameters,
one value for each window, [B, 1, 1]. It returns a proposal of the same shape, of which only the segment is used.
`ape.rules.sampling` handles borders, limits and the minimum effect, so an operator is one formula.

To add an operator, write the function with a one-line docstring and register it with `operator`.

References
----------
The set follows the anomaly kinds of GutenTAG, the NeurIPS-TS generator (Lai et al. 2021), CutAddPaste (Wang et al.
2024) and CARLA (Darban et al. 2025).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ape.rules.registry import OPERATORS as OPERATORS
from ape.rules.registry import BroadRule, ParameterRange, Site, operator

SHIFT = {
    "shift": ParameterRange(0.02, 0.5, (0.1, 0.5), "shift, in cycles"),
    "late": ParameterRange(0, 1, (0, 1), "0.5 and more is late, less is early"),
}


@operator(BroadRule("transient", "spike", (3.0, 8.0), (1, 3), "samples"), additive=True, jumps=True, leaves_range=True)
def spike_global(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Points beyond all normal values."""
    beyond = 0.05 * (site.high - site.low)
    up, down = torch.maximum(x + site.amount, site.high + beyond), torch.minimum(x + site.amount, site.low - beyond)
    return torch.where(site.amount > 0, up, down)


@operator(BroadRule("transient", "spike", (1.0, 3.0), (1, 5), "samples"), additive=True, jumps=True)
def spike_context(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Points that are normal elsewhere but not here."""
    return torch.minimum(torch.maximum(x + site.amount, site.low), site.high)


@operator(
    BroadRule("signal_loss", "gap", (0.5, 8.0), (0.05, 1.0)),
    {"minimum": ParameterRange(0, 1, (0, 1), "0 fills with zero, 1 with the lowest normal value")},
    jumps=True,
    leaves_range=True,
    reaches_zero=True,
)
def dropout_zero(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """The reading drops to a fill value."""
    return torch.where(p["minimum"] >= 0.5, site.low, site.zero).expand_as(x)


@operator(
    BroadRule("stuck_sensor", "plateau", (0.3, 3.0), (0.1, 1.5)),
    {
        "jitter": ParameterRange(0, 0.1, (0, 0.02), "noise on the frozen value, in robust sd of the series"),
        "mean": ParameterRange(0, 1, (0, 0.5), "0.5 and more holds the local mean, less holds the last value"),
    },
    jumps=True,
)
def flatline_hold(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """The reading freezes at its last value or at the local mean."""
    last = x.gather(2, site.start.long().expand(-1, x.shape[1], 1))
    held = torch.where(p["mean"] >= 0.5, _segment_mean(x, site), last)
    return held + p["jitter"] * site.scale * site.noise


@operator(
    BroadRule("abrupt_change", "step", (0.75, 3.0), (0.25, 2.0)),
    additive=True,
    jumps=True,
    leaves_range=True,
)
def level_shift(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """The level jumps and stays shifted for the segment."""
    return x + site.amount.expand_as(x)


@operator(
    BroadRule("gradual_drift", "ramp", (0.75, 3.0), (0.5, 2.0)),
    {"peak": ParameterRange(0.5, 1, (0.7, 0.95), "position in the segment at which the drift is largest")},
    additive=True,
    leaves_range=True,
)
def trend_drift(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """The level drifts steadily and returns to normal at the end."""
    rise, fall = site.u / p["peak"], (1 - site.u) / (1 - p["peak"]).clamp_min(0.02)
    return x + site.amount * torch.minimum(rise, fall).clamp(0, 1)


@operator(
    BroadRule("gain_change", "scaled_cycles", (0.3, 3.0), (0.5, 2.0)),
    {"factor": ParameterRange(0, 4, (0.25, 2.2), "amplitude as a multiple of normal; 0.8 to 1.25 is avoided")},
    leaves_range=True,
)
def amplitude_scale(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Cycles have a larger or smaller amplitude about the local mean."""
    factor = _outside(p["factor"], 0.8, 1.25)
    mean = _segment_mean(x, site)
    return mean + factor * (x - mean)


@operator(
    BroadRule("noise_increase", "rough_stretch", (0.4, 1.5), (0.25, 2.0)),
    {"memory": ParameterRange(0, 0.95, (0, 0.7), "lag-one autocorrelation of the noise, 0 is white")},
    additive=True,
    leaves_range=True,
)
def noise_burst(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """More scatter than normal."""
    lags = torch.arange(12, device=x.device, dtype=x.dtype)
    kernel = p["memory"].clamp_min(1e-6) ** lags  # [B, 1, 12]: impulse response of an AR(1), truncated
    kernel = kernel / kernel.norm(dim=-1, keepdim=True)
    padded = torch.nn.functional.pad(site.noise, (11, 0), mode="circular")
    coloured = torch.einsum("bclk,bk->bcl", padded.unfold(2, 12, 1), kernel.flip(-1)[:, 0])
    return x + 0.5 * site.amount.abs() * coloured


@operator(
    BroadRule("damping", "smooth_stretch", (0.1, 2.0), (0.25, 2.0)),
    {"kernel": ParameterRange(0.02, 1, (0.1, 0.5), "smoothing width, as a share of the segment")},
)
def smooth_damp(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Fine detail is smoothed away."""
    half = (0.5 * p["kernel"] * site.length).round().clamp(min=1)
    total = torch.nn.functional.pad(x.double().cumsum(2), (1, 0))
    t = _time(x)
    left = (t - half).clamp(min=0).long().expand_as(x)
    right = (t + half + 1).clamp(max=x.shape[2]).long().expand_as(x)
    return ((total.gather(2, right) - total.gather(2, left)) / (right - left)).to(x.dtype)


@operator(
    BroadRule("timing_disturbance", "compressed_cycles", (0.3, 4.0), (0.5, 2.0)),
    {"speed": ParameterRange(1.1, 5, (1.33, 3), "speed as a multiple of normal")},
    warps=True,
)
def time_compress(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Cycles run faster."""
    return _resample(x, _about_centre(x, site, p["speed"]))


@operator(
    BroadRule("timing_disturbance", "stretched_cycles", (0.3, 4.0), (0.5, 2.0)),
    {"speed": ParameterRange(0.2, 0.9, (0.4, 0.8), "speed as a multiple of normal")},
    warps=True,
)
def time_stretch(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Cycles run slower."""
    return _resample(x, _about_centre(x, site, p["speed"]))


@operator(
    BroadRule("timing_disturbance", "shifted_cycles", (0.3, 4.0), (0.5, 2.0)),
    SHIFT,
    warps=True,
)
def phase_shift(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Cycles come early or late."""
    ramp = torch.minimum(site.u, 1 - site.u).clamp(min=0) / 0.2
    sign = torch.where(p["late"] >= 0.5, -1.0, 1.0)
    return _resample(x, _time(x) + sign * p["shift"] * site.cycle * _smooth(ramp))


@operator(BroadRule("waveform_change", "mirrored_pattern", (0.3, 4.0), (0.3, 1.5)), warps=True)
def time_reverse(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """A stretch runs backwards."""
    return _resample(x, 2 * site.start + site.length - 1 - _time(x))


@operator(
    BroadRule("waveform_change", "mirrored_pattern", (0.3, 4.0), (0.3, 1.5)),
)
def value_flip(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """A stretch is mirrored about its mean."""
    return 2 * _segment_mean(x, site) - x


@operator(
    BroadRule("waveform_change", "altered_shape", (0.2, 3.0), (0.5, 2.0)),
    {"hardness": ParameterRange(0.5, 20, (2, 12), "2 bends the wave, 12 makes it nearly square")},
)
def shape_replace(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Cycles keep their amplitude and take another waveform."""
    mean = _segment_mean(x, site)
    swing = ((x - mean).abs() * site.inside).amax(2, keepdim=True)
    swing = torch.where(swing > 0, swing, site.scale)
    return mean + swing * torch.atan(p["hardness"] * (x - mean) / swing) / torch.atan(p["hardness"])


@operator(
    BroadRule("misplaced_pattern", "foreign_pattern", (0.3, 4.0), (0.2, 1.0)),
    {"slope": ParameterRange(0, 4, (0, 1.5), "rise over the segment, in robust sd of the series")},
    leaves_range=True,
    warps=True,
)
def cut_add_paste(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """A stretch of another window or phase is pasted here, with a slope (CutAddPaste)."""
    level = _segment_mean(x, site) - _segment_mean(site.donor, site)
    slope = torch.sign(site.amount) * p["slope"] * site.scale
    return site.donor + level + slope * (site.u - 0.5)


@operator(BroadRule("timing_disturbance", "missing_cycle", (0.3, 4.0), (0.25, 1.0)))
def cycle_skip(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """A cycle, or part of one, is replaced by a straight line."""
    wide = (-1, x.shape[1], 1)
    first = x.gather(2, site.start.long().expand(*wide))
    last = x.gather(2, (site.start + site.length - 1).long().expand(*wide))
    return first + (last - first) * site.u.clamp(0, 1)


@operator(
    BroadRule("timing_disturbance", "extra_cycle", (0.3, 4.0), (0.5, 1.5)),
    {"repeat": ParameterRange(0.1, 1, (0.3, 0.7), "length of the repeated part, in cycles")},
    warps=True,
)
def cycle_repeat(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Part of a cycle is repeated before the cycle continues."""
    back = (p["repeat"] * site.cycle).minimum(0.5 * site.length).round()
    return _resample(x, torch.where(site.u >= 0.5, _time(x) - back, _time(x)))


@operator(
    BroadRule("gain_change", "scaled_cycles", (0.3, 3.0), (0.5, 2.0)),
    {"factor": ParameterRange(0, 4, (0.3, 3), "amplitude as a multiple of normal; 0.6 to 1.6 is avoided")},
    leaves_range=True,
)
def spectral_peak_scale(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """The strongest frequency of the window gains or loses amplitude."""
    factor = _outside(p["factor"], 0.6, 1.6)
    spectrum = torch.fft.rfft(x - x.mean(2, keepdim=True), dim=2)
    strongest = spectrum.abs() >= spectrum.abs().amax(2, keepdim=True)
    return x + (factor - 1) * torch.fft.irfft(spectrum * strongest, n=x.shape[2], dim=2)


@operator(
    BroadRule("decoupling", "broken_relation", (0.2, 4.0), (0.5, 2.0)),
    SHIFT,
    warps=True,
    relational=True,
)
def channel_lag(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Some channels run ahead of the others or behind them."""
    return phase_shift(x, site, p)


@operator(BroadRule("decoupling", "broken_relation", (0.2, 4.0), (0.5, 2.0)), warps=True, relational=True)
def channel_swap(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Some channels show values of another time, while the others continue normally."""
    return site.donor.expand_as(x)


@operator(
    BroadRule("saturation", "clipped_peaks", (0.2, 3.0), (0.5, 2.0)),
    {
        "quantile": ParameterRange(0.05, 0.95, (0.3, 0.8), "share of the segment's range that remains"),
        "troughs": ParameterRange(0, 1, (0, 1), "0.5 and more cuts troughs, less cuts peaks"),
    },
)
def clip_saturate(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Peaks or troughs are cut off."""
    infinite = torch.full_like(x, torch.inf)
    low = torch.where(site.inside, x, infinite).amin(2, keepdim=True)
    high = torch.where(site.inside, x, -infinite).amax(2, keepdim=True)
    swing = p["quantile"] * (high - low)
    return torch.where(p["troughs"] >= 0.5, torch.maximum(x, high - swing), torch.minimum(x, low + swing))


@operator(
    BroadRule("stuck_sensor", "stepped_values", (0.2, 3.0), (0.5, 2.0)),
    {"levels": ParameterRange(2, 12, (2, 5), "grid lines over the normal range")},
)
def quantise(x: Tensor, site: Site, p: dict[str, Tensor]) -> Tensor:
    """Values fall on a coarse grid."""
    grid = torch.where(site.high > site.low, site.high - site.low, site.scale) / p["levels"].round()
    return site.low + torch.round((x - site.low) / grid) * grid


def _time(x: Tensor) -> Tensor:
    return torch.arange(x.shape[2], device=x.device, dtype=x.dtype).view(1, 1, -1)


def _outside(factor: Tensor, below: float, above: float) -> Tensor:
    """Move factors near 1, whose effect would be invisible, to the nearer end of the gap ``below`` to ``above``."""
    factor = torch.where((factor > below) & (factor <= 1.0), torch.full_like(factor, below), factor)
    return torch.where((factor > 1.0) & (factor < above), torch.full_like(factor, above), factor)


def _smooth(ramp: Tensor) -> Tensor:
    """Return the smoothstep polynomial of a ramp clipped to [0, 1]."""
    ramp = ramp.clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _segment_mean(x: Tensor, site: Site) -> Tensor:
    return (x * site.inside).sum(2, keepdim=True) / site.length


def _about_centre(x: Tensor, site: Site, speed: Tensor) -> Tensor:
    centre = site.start + 0.5 * (site.length - 1)
    return centre + (_time(x) - centre) * speed


def _resample(x: Tensor, position: Tensor) -> Tensor:
    """Interpolate ``x`` linearly at fractional positions, mirrored at the window's ends."""
    last = x.shape[2] - 1
    folded = torch.remainder(position, 2 * last)
    folded = torch.where(folded > last, 2 * last - folded, folded).expand_as(x)
    before = folded.floor().clamp(max=last - 1)
    index = before.long()
    share = folded - before
    return x.gather(2, index) * (1 - share) + x.gather(2, index + 1) * share
