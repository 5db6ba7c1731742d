"""A benign rule for what looks like an event that a person calls normal: its kind, size, length and time of day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    """Return the draft of a benign rule for an event of a run; ``number`` counts the worst as 0."""
    event, series = result.events[number], result.series
    return draft_of_record(
        result.records[number],
        f"normal-event-{int(series.point_rows[event.peak])}",
        f"a person calls event {number + 1} normal",
        event.end - event.begin,
        None if series.clock is None else series.clock[event.begin],
        alone=series.n_channels == 1,
    )


def draft_of_record(
    record: Mapping[str, Any], rule: str, note: str, length: int, begin: np.datetime64 | None, *, alone: bool
) -> RuleDraft:
    """Return the draft of a benign rule for an event as ``events.json`` describes it.

    Parameters
    ----------
    record : mapping
        ``channels`` is used: what is unusual in each, and how large it is.
    rule : str
        Id of the rule.
    note : str
        Why there is such a rule.
    length : int
        Of the event, points.
    begin : datetime64, optional
        Of the event, on the clock of the data.
    alone : bool
        Whether the series has one channel only.
    """
    kinds = [share["finding"] for share in record["channels"] if share.get("finding")]
    operator = next((OPERATOR_OF[kind] for kind in kinds if kind in OPERATOR_OF), "level_shift")
    broad = broad_rule("level_shift" if alone and operator == "channel_lag" else operator)
    return RuleDraft(
        note=note,
        id=rule,
        mechanism=broad.mechanism,
        morphology=broad.morphology,
        context=ContextualPrior(hours=_hours(begin), channels=[share["channel"] for share in record["channels"]]),
        scale=_scale(record) or broad.scale,
        duration=DurationPrior(low=max(LENGTHS[0] * length, 1.0), high=LENGTHS[1] * length, unit="samples"),
        program=broad.program,
    )


def _scale(record: Mapping[str, Any]) -> ScalePrior | None:
    """Return the size in data units, from the channel at fault; None if it is not known."""
    known = [share for share in record["channels"] if share.get("value") is not None]
    if not known:
        return None
    usual = float(np.clip(known[0]["value"], known[0]["usual_low"], known[0]["usual_high"]))
    size = known[0]["value"] - usual
    if not size:
        return None
    low, high = SIZES[0] * abs(size), SIZES[1] * abs(size)
    return ScalePrior(low=low, high=high, unit="data", direction="up" if size > 0 else "down")


def _hours(begin: np.datetime64 | None) -> Range | None:
    if begin is None:
        return None
    hour = float((begin - begin.astype("datetime64[D]")) / np.timedelta64(1, "h"))
    low = (hour - HOURS) % 24
    return Range(low=low, high=low + 2 * HOURS)
