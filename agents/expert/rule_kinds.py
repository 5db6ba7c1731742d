"""Kinds of rules that the embedded planner knows, and how findings and sightings support each.

Weights multiply the strength of a finding (0 to 1). Sizes are those of the first trials; the planner replaces them by
measured ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ape.rules.schema import Tercile


@dataclass(frozen=True, eq=False)
class RuleKind:
    """A kind of rule.

    Parameters
    ----------
    id : str
        Id of its rules.
    mechanism, morphology, operator : str
    scale, duration : tuple of (float, float, str)
        Lower end, upper end and unit of the priors.
    prior : float
        Score without any evidence.
    weights : dict of str to float
        Score that a finding or sighting of strength 1 adds.
    needs : tuple of str
        Findings without which the kind of rule makes no sense.
    activity : tuple of Tercile
        Activity that rules are bound to in a series with regimes.
    parameters : dict of str to (float, float)
        Ranges of operator parameters that differ from the operator's default.
    named_only : bool
        Whether the kind is only for failures that people name.
    """

    id: str
    mechanism: str
    morphology: str
    operator: str
    scale: tuple[float, float, str]
    duration: tuple[float, float, str]
    prior: float
    weights: dict[str, float]
    needs: tuple[str, ...] = ()
    activity: tuple[Tercile, ...] = ()
    parameters: dict[str, tuple[float, float]] = field(default_factory=dict)
    named_only: bool = False


RULE_KINDS: tuple[RuleKind, ...] = (
    RuleKind(
        "cycle-shifted", "timing_disturbance", "shifted_cycles", "phase_shift",
        (0.3, 3.0, "series_sd"), (0.4, 5.0, "periods"), 0.1,
        {"periodic": 0.6, "recurrent_shape": 0.3, "regular_cycles": 0.1, "phase_locked": -0.1}, needs=("periodic",),
        parameters={"shift": (0.08, 0.35)},
    ),
    RuleKind(
        "cycle-fast", "timing_disturbance", "compressed_cycles", "time_compress",
        (0.3, 3.0, "series_sd"), (0.5, 3.0, "periods"), 0.0,
        {"periodic": 0.5, "recurrent_shape": 0.3, "phase_locked": -0.2}, needs=("periodic",),
        parameters={"speed": (1.25, 2.2)},
    ),
    RuleKind(
        "cycle-slow", "timing_disturbance", "stretched_cycles", "time_stretch",
        (0.3, 3.0, "series_sd"), (0.5, 3.0, "periods"), 0.0,
        {"periodic": 0.5, "recurrent_shape": 0.25, "phase_locked": -0.2}, needs=("periodic",),
    ),
    RuleKind(
        "cycle-missing", "timing_disturbance", "missing_cycle", "cycle_skip",
        (0.3, 3.0, "series_sd"), (0.1, 1.0, "periods"), 0.0,
        {"periodic": 0.5, "recurrent_shape": 0.3, "sharp_peaks": 0.1}, needs=("periodic",),
    ),
    RuleKind(
        "cycle-extra", "timing_disturbance", "extra_cycle", "cycle_repeat",
        (0.3, 3.0, "series_sd"), (0.5, 2.0, "periods"), 0.0,
        {"periodic": 0.45, "recurrent_shape": 0.2, "phase_locked": -0.2}, needs=("periodic",),
    ),
    RuleKind(
        "channel-late", "decoupling", "broken_relation", "channel_lag",
        (0.3, 3.0, "series_sd"), (0.5, 3.0, "periods"), 0.0,
        {"correlated": 0.55, "periodic": 0.2}, needs=("correlated",),
    ),
    RuleKind(
        "channel-foreign", "decoupling", "broken_relation", "channel_swap",
        (0.3, 3.0, "series_sd"), (0.3, 3.0, "periods"), 0.0,
        {"correlated": 0.6, "rough": 0.1}, needs=("correlated",),
    ),
    RuleKind(
        "wave-altered", "waveform_change", "altered_shape", "shape_replace",
        (0.2, 2.0, "series_sd"), (0.5, 4.0, "periods"), -0.2,
        {"periodic": 0.3, "recurrent_shape": 0.5, "sharp_peaks": 0.2, "flat_tops": -0.3}, needs=("periodic",),
    ),
    RuleKind(
        "wave-mirrored", "waveform_change", "mirrored_pattern", "time_reverse",
        (0.3, 3.0, "series_sd"), (0.3, 2.0, "periods"), 0.0,
        {"periodic": 0.2, "recurrent_shape": 0.4, "sharp_peaks": 0.1}, needs=("recurrent_shape",),
    ),
    RuleKind(
        "wave-flipped", "waveform_change", "mirrored_pattern", "value_flip",
        (0.3, 3.0, "series_sd"), (0.3, 2.0, "periods"), 0.0, {"sharp_peaks": 0.1}, named_only=True,
    ),
    RuleKind(
        "swing-changed", "gain_change", "scaled_cycles", "amplitude_scale",
        (0.2, 2.0, "series_sd"), (0.5, 6.0, "periods"), 0.1,
        {"periodic": 0.4, "recurrent_shape": 0.2, "variance_changes": -0.3, "changing_swing": -0.2},
        parameters={"factor": (0.4, 1.8)},
    ),
    RuleKind(
        "tone-changed", "gain_change", "scaled_cycles", "spectral_peak_scale",
        (0.2, 2.0, "series_sd"), (0.5, 6.0, "periods"), -0.2,
        {"periodic": 0.4, "recurrent_shape": 0.1, "phase_locked": 0.1}, needs=("periodic",),
    ),
    RuleKind(
        "pattern-misplaced", "misplaced_pattern", "foreign_pattern", "cut_add_paste",
        (0.3, 3.0, "series_sd"), (0.05, 0.8, "periods"), 0.15,
        {"recurrent_shape": 0.3, "periodic": 0.2, "odd_stretches": -0.1},
    ),
    RuleKind(
        "peaks-clipped", "saturation", "clipped_peaks", "clip_saturate",
        (0.2, 2.0, "series_sd"), (0.1, 4.0, "periods"), 0.6,
        {"periodic": 0.2, "sharp_peaks": 0.3, "hugs_limit": -0.4, "flat_tops": -0.3, "recurrent_shape": 0.1},
    ),
    RuleKind(
        "level-jump", "abrupt_change", "step", "level_shift",
        (0.4, 4.0, "series_sd"), (0.03, 1.0, "periods"), 0.8,
        {"level_changes": -0.25, "trend": -0.1, "periodic": -0.1, "smooth": 0.1},
    ),
    RuleKind(
        "level-drift", "gradual_drift", "ramp", "trend_drift",
        (0.5, 4.0, "series_sd"), (0.6, 4.0, "periods"), 0.75,
        {"trend": -0.3, "periodic": -0.05, "level_steps": -0.1},
    ),
    RuleKind(
        "drift-held", "gradual_drift", "ramp", "level_shift",
        (0.5, 4.0, "series_sd"), (0.6, 4.0, "periods"), 0.0, {}, named_only=True,
    ),
    RuleKind(
        "spike-local", "transient", "spike", "spike_context",
        (4.0, 14.0, "residual_sd"), (1, 6, "samples"), 0.6,
        {"smooth": 0.4, "heavy_tails": -0.4, "rough": -0.1, "isolated_spikes": -0.3},
    ),
    RuleKind(
        "spike-beyond", "transient", "spike", "spike_global",
        (2.0, 5.0, "series_sd"), (1, 4, "samples"), 0.45,
        {"heavy_tails": -0.5, "isolated_spikes": -0.2, "rough": 0.1, "periodic": -0.1},
    ),
    RuleKind(
        "noise-raised", "noise_increase", "rough_stretch", "noise_burst",
        (2.0, 10.0, "residual_sd"), (0.1, 3.0, "periods"), 0.4,
        {"smooth": 0.5, "rough": -0.3, "rough_line": -0.1, "variance_changes": -0.1}, activity=("low", "middle"),
    ),
    RuleKind(
        "detail-lost", "damping", "smooth_stretch", "smooth_damp",
        (0.1, 2.0, "series_sd"), (0.25, 2.0, "periods"), 0.1,
        {"rough": 0.5, "sharp_peaks": 0.2, "recurrent_shape": 0.1, "smooth": -0.1}, activity=("middle", "high"),
    ),
    RuleKind(
        "reading-stuck", "stuck_sensor", "plateau", "flatline_hold",
        (0.2, 3.0, "series_sd"), (0.04, 0.8, "periods"), 0.5,
        {"flat_stretches": -0.5, "discrete": -0.2, "plateaus": -0.2, "rough": 0.1}, activity=("middle", "high"),
    ),
    RuleKind(
        "reading-stepped", "stuck_sensor", "stepped_values", "quantise",
        (0.2, 2.0, "series_sd"), (0.5, 4.0, "periods"), 0.0, {"discrete": -0.5}, named_only=True,
    ),
    RuleKind(
        "signal-lost", "signal_loss", "gap", "dropout_zero",
        (0.3, 8.0, "series_sd"), (0.01, 0.3, "periods"), 0.4, {"hugs_limit": -0.3, "flat_stretches": -0.1},
    ),
    RuleKind(
        "grid-coarse", "damping", "stepped_values", "quantise",
        (0.2, 2.0, "series_sd"), (0.5, 4.0, "periods"), 0.0, {"smooth": 0.2, "discrete": -0.5},
    ),
)  # fmt: skip

# End of an operator's parameter that makes the anomaly stronger; revisions move the other end towards it.
STRONG_END: dict[tuple[str, str], str] = {
    ("phase_shift", "shift"): "high",
    ("time_compress", "speed"): "high",
    ("time_stretch", "speed"): "low",
    ("amplitude_scale", "factor"): "low",
    ("smooth_damp", "kernel"): "high",
    ("shape_replace", "hardness"): "high",
    ("clip_saturate", "quantile"): "low",
    ("cut_add_paste", "slope"): "high",
    ("quantise", "levels"): "low",
    ("cycle_repeat", "repeat"): "high",
    ("channel_lag", "shift"): "high",
}
