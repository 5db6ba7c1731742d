"""A bank that knows nothing of the scenario: one broad rule for each operator, for probes and controls."""

from __future__ import annotations

from collections.abc import Iterable

from ape.rules.operators import OPERATORS
from ape.rules.schema import Context, ContextualPrior, DurationPrior, Rule, RuleBank, ScalePrior, Step

# Operator: mechanism, morphology, scale in robust sd of the series, duration in cycles (samples where it says so).
GENERIC: dict[str, tuple[str, str, tuple[float, float], tuple[float, float]]] = {
    "spike_global": ("transient", "spike", (3.0, 8.0), (1, 3)),
    "spike_context": ("transient", "spike", (1.0, 3.0), (1, 5)),
    "dropout_zero": ("signal_loss", "gap", (0.5, 8.0), (0.05, 1.0)),
    "flatline_hold": ("stuck_sensor", "plateau", (0.3, 3.0), (0.1, 1.5)),
    "level_shift": ("abrupt_change", "step", (0.75, 3.0), (0.25, 2.0)),
    "trend_drift": ("gradual_drift", "ramp", (0.75, 3.0), (0.5, 2.0)),
    "amplitude_scale": ("gain_change", "scaled_cycles", (0.3, 3.0), (0.5, 2.0)),
    "noise_burst": ("noise_increase", "rough_stretch", (0.4, 1.5), (0.25, 2.0)),
    "smooth_damp": ("damping", "smooth_stretch", (0.1, 2.0), (0.25, 2.0)),
    "time_compress": ("timing_disturbance", "compressed_cycles", (0.3, 4.0), (0.5, 2.0)),
    "time_stretch": ("timing_disturbance", "stretched_cycles", (0.3, 4.0), (0.5, 2.0)),
    "phase_shift": ("timing_disturbance", "shifted_cycles", (0.3, 4.0), (0.5, 2.0)),
    "time_reverse": ("waveform_change", "mirrored_pattern", (0.3, 4.0), (0.3, 1.5)),
    "value_flip": ("waveform_change", "mirrored_pattern", (0.3, 4.0), (0.3, 1.5)),
    "shape_replace": ("waveform_change", "altered_shape", (0.2, 3.0), (0.5, 2.0)),
    "cut_add_paste": ("misplaced_pattern", "foreign_pattern", (0.3, 4.0), (0.2, 1.0)),
    "cycle_skip": ("timing_disturbance", "missing_cycle", (0.3, 4.0), (0.25, 1.0)),
    "clip_saturate": ("saturation", "clipped_peaks", (0.2, 3.0), (0.5, 2.0)),
    "quantise": ("stuck_sensor", "stepped_values", (0.2, 3.0), (0.5, 2.0)),
}


def generic_bank(context: Context, operators: Iterable[str] | None = None) -> RuleBank:
    """Bank of one broad rule for each operator (default: for all of them)."""
    return RuleBank(context=context, rules=[generic_rule(name) for name in operators or GENERIC])


def generic_rule(name: str) -> Rule:
    """Broad rule for one operator."""
    mechanism, morphology, scale, duration = GENERIC[name]
    points = name.startswith("spike")
    return Rule(
        id=name,
        mechanism=mechanism,
        morphology=morphology,
        note=OPERATORS[name].summary,
        context=ContextualPrior(spread="some"),
        scale=ScalePrior(low=scale[0], high=scale[1], unit="series_sd"),
        duration=DurationPrior(low=duration[0], high=duration[1], unit="samples" if points else "periods"),
        program=[Step(operator=name)],
    )
