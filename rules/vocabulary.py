"""The closed, domain-free vocabulary: why an anomaly occurs (mechanism) and what it looks like (morphology)."""

from __future__ import annotations

MECHANISMS: dict[str, str] = {
    "abrupt_change": "the operating point jumps to another level",
    "gradual_drift": "something wears, leaks, fouls or warms up, and the level drifts slowly",
    "transient": "a short external disturbance that passes",
    "gain_change": "the same process with a larger or smaller amplitude",
    "timing_disturbance": "a cycle comes early, late, faster, slower, or not at all",
    "waveform_change": "a cycle keeps its timing and changes its shape",
    "misplaced_pattern": "a normal pattern at a time or place where it does not belong",
    "noise_increase": "the measurement or the process becomes noisier",
    "damping": "fine detail is lost, by filtering, sticking or a loose coupling",
    "stuck_sensor": "the reading freezes at a value",
    "signal_loss": "the reading drops to a fill value",
    "decoupling": "the relation between channels breaks",
    "saturation": "the reading or the process runs into a limit",
}

MORPHOLOGIES: dict[str, str] = {
    "spike": "one to a few points far from their neighbours",
    "step": "a sustained change of level with a sharp edge",
    "ramp": "a level that drifts steadily",
    "plateau": "a flat stretch",
    "gap": "a stretch at a fill value",
    "rough_stretch": "more high-frequency scatter than normal",
    "smooth_stretch": "less detail than normal",
    "scaled_cycles": "cycles of the normal shape, larger or smaller",
    "compressed_cycles": "cycles that run faster",
    "stretched_cycles": "cycles that run slower",
    "shifted_cycles": "cycles out of phase",
    "missing_cycle": "a cycle, or part of one, is missing",
    "extra_cycle": "a cycle, or part of one, is repeated",
    "mirrored_pattern": "a stretch mirrored in value or in time",
    "altered_shape": "cycles with another waveform",
    "foreign_pattern": "a stretch copied from another place, possibly with a slope",
    "clipped_peaks": "peaks or troughs cut off at a limit",
    "stepped_values": "values on a coarser grid than normal",
    "broken_relation": "each channel looks normal, but the relation between them does not",
}
