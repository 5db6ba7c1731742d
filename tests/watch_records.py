"""Records of events, made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ape.watch.records import Record

SHARE = {"channel": "load", "share": 1.0, "finding": "level", "value": 65.0, "usual_low": 43.0, "usual_high": 57.0}
EVENT = Record(
    id="",
    sequence=0,
    state="open",
    start=2760,
    end=2800,
    peak=2770,
    start_time="2026-03-03 22:00:00",
    end_time="2026-03-03 22:39:00",
    peak_time="2026-03-03 22:10:00",
    ongoing=False,
    score=9.0,
    threshold=4.0,
    expected_every="4 months",
    channels=[SHARE],
    rule=None,
    rule_probability=None,
    reason="a level of 65 °C",
)


def record(id: str, sequence: int = 0, state: str = "open", **fields: Any) -> Record:
    """Return a record of an event of 40 minutes from ten o'clock in the evening on."""
    return replace(EVENT, id=id, sequence=sequence, state=state, **fields)
