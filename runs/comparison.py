"""Compare the detector of a finished run before and after post-training, with the evidence that there is."""

from __future__ import annotations

from typing import Any

from ape.core.run_files import DETECTOR, POSTTRAIN
from ape.monitor import Threshold
from ape.monitor.alarms import alarms
from ape.posttrain.report_file import read_report
from ape.runs.folder import Run
from ape.runs.result import Result, read_scores


def compare(run: Run, result: Result) -> dict[str, Any]:
    """Return what was kept and why, average precisions on generated anomalies, and the events before and after."""
    report = read_report(run.folder / POSTTRAIN)
    before = read_scores(run.folder, run.series)["before"].to_numpy(dtype=float)[run.series.point_rows]
    threshold = Threshold.load(run.folder / DETECTOR)
    old = alarms(result.series, before if threshold.errors is None else threshold.errors(before), threshold.level)
    shared = [event for event in result.events if any(s.begin < event.end and event.begin < s.end for s in old)]
    kinds = {kind: each for kind, each in report.get("acceptance", {}).items() if isinstance(each, dict)}
    return {
        "accepted": report["accepted"],
        "kept": report["kept"],
        "reason": report["reason"],
        "evidence": {kind: each["average_precision"] for kind, each in kinds.items() if "average_precision" in each},
        "events_before": len(old),
        "events_after": len(result.events),
        "shared": len(shared),
    }
