"""A benign rule for what looks like an event that a person calls normal: its kind, size, length and time of day."""

from __future__ import annotations

import numpy as np

from ape.rules import RuleDraft, broad_rule
from ape.rules.schema import ContextualPrior, DurationPrior, Range, ScalePrior
from ape.runs.result import Result

OPERATOR_OF = {  # by the kind of finding
    "missing": "dropout_zero", "stuck": "flatline_hold", "peak": "spike_context", "ramp": "trend_drift",
    "level": "level_shift", "noisier": "noise_burst", "calmer": "smooth_damp", "unrelated": "channel_lag",
    "unlike": "cut_add_paste",
}  # fmt: skip
SIZES = (0.6, 1.6)  # times that of the event
LENGTHS = (0.5, 2.0)
HOURS = 1.0  # before and after the time of the day at which it begins


def draft_of_event(result: Result, number: int) -> RuleDraft:
    """Return the draft of a benign rule for an event; ``number`` counts the worst as 0."""
    event, record, series = result.events[number], result.records[number], result.series
    kinds = [share["finding"] for share in record["channels"] if share.get("finding")]
    operator = next((OPERATOR_OF[kind] for kind in kinds if kind in OPERATOR_OF), "level_shift")
    rule = broad_rule("level_shift" if series.n_channels == 1 and operator == "channel_lag" else operator)
    length = event.end - event.begin
    return RuleDraft(
        note=f"a person calls event {number + 1} normal",
        id=f"normal-event-{int(series.point_rows[event.peak])}",
        mechanism=rule.mechanism,
        morphology=rule.morphology,
        context=ContextualPrior(hours=_hours(result, event.begin), channels=[name for name, _ in event.channels]),
        scale=_scale(result, number) or rule.scale,
        duration=DurationPrior(low=max(LENGTHS[0] * length, 1.0), high=LENGTHS[1] * length, unit="samples"),
        program=rule.program,
    )


def _scale(result: Result, number: int) -> ScalePrior | None:
    """Return the size in data units, from the channel at fault; None if it is not known."""
    known = [share for share in result.records[number]["channels"] if share.get("value") is not None]
    if not known:
        return None
    usual = float(np.clip(known[0]["value"], known[0]["usual_low"], known[0]["usual_high"]))
    size = known[0]["value"] - usual
    if not size:
        return None
    low, high = SIZES[0] * abs(size), SIZES[1] * abs(size)
    return ScalePrior(low=low, high=high, unit="data", direction="up" if size > 0 else "down")


def _hours(result: Result, begin: int) -> Range | None:
    clock = result.series.clock
    if clock is None:
        return None
    hour = float((clock[begin] - clock[begin].astype("datetime64[D]")) / np.timedelta64(1, "h"))
    low = (hour - HOURS) % 24
    return Range(low=low, high=low + 2 * HOURS)
