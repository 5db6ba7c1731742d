"""Events that a person calls false alarms, as benign rules of the next run."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ape.rules import RuleDraft
from ape.runs.benign import draft_of_record
from ape.runs.continuing import FalseAlarm
from ape.series import Series
from ape.watch.store import Alert, alerts_of

ID = re.compile(r"[^a-z0-9_-]+")  # what the id of a rule cannot have
LONGEST_ID, PREFIX = 40, "false-"


def false_alarms(folder: Path, series: Series) -> list[FalseAlarm]:
    """Return the events of a run folder's watches that are labelled as false.

    Parameters
    ----------
    folder : Path
        Of the run that is watched.
    series : Series
        Of the next run. Channels that it lacks are left out.
    """
    found = []
    for alert in alerts_of(folder):
        shares = [share for share in alert.record["channels"] if share["channel"] in series.channels]
        if alert.label == "false" and shares and alert.record["state"] != "drift":
            found.append(FalseAlarm(_draft(alert, shares, series), alert.note or f"{alert.id} is a false alarm"))
    return found


def _draft(alert: Alert, shares: list[dict[str, Any]], series: Series) -> RuleDraft:
    """Return the draft of a benign rule for an event."""
    record, begin = alert.record, None
    if record["start_time"] is not None and series.clock is not None:
        begin = np.datetime64(datetime.fromisoformat(record["start_time"]).replace(tzinfo=None))
    slug = ID.sub("-", alert.id.lower())
    return draft_of_record(
        {"channels": shares},
        f"{PREFIX}{slug[-(LONGEST_ID - len(PREFIX)) :]}",  # the end has the row
        f"a person calls {alert.id} a false alarm"[:400],
        record["end"] - record["start"],
        begin,
        alone=series.n_channels == 1,
    )
